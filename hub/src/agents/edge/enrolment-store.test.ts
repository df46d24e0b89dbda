import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createEnrolmentStore, type EnrolmentStore } from "./enrolment-store.ts";

let database: HubDatabase;
let directory: Directory;
let store: EnrolmentStore;
const at = new Date("2026-01-01T12:00:00Z");
const later = (minutes: number) => new Date(at.getTime() + minutes * 60_000);

beforeAll(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, (error) => {
    throw error;
  });
  store = createEnrolmentStore(database.sql, directory);
});
afterAll(async () => {
  await directory.close();
  await database.close();
});

async function addToken(agentName: string | null = null): Promise<string> {
  const secret = `sonde_et_${randomUUID()}`;
  await store.addToken({ secret, agentName, at, expiresAt: later(15) });
  return secret;
}

function agent(change: Partial<Parameters<EnrolmentStore["enrol"]>[0]>) {
  const id = randomUUID();
  return {
    secret: "",
    id,
    name: `host-${id}`,
    publicKey: `key of ${id}`,
    serial: id.replaceAll("-", ""),
    keyId: `sha256:${"0".repeat(64)}`,
    certificateExpiresAt: later(10_000),
    at: later(1),
    ...change,
  };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (thrown) {
    return String((thrown as { code?: string }).code);
  }
}

const countAgents = async (name: string) =>
  directory.agents().filter((row) => row.name === name).length;

test("attack 14: of a hundred concurrent uses of one token exactly one enrols", async () => {
  const secret = await addToken();
  const codes = await Promise.all(
    Array.from({ length: 100 }, () => codeOf(store.enrol(agent({ secret })))),
  );
  expect(codes.filter((code) => code === "done").length).toBe(1);
  expect(codes.filter((code) => code === "TOKEN_REFUSED").length).toBe(99);
});

test("attack 15: an expired token, one for another name and an unknown one get one answer", async () => {
  const expired = await addToken();
  const bound = await addToken("web-1");
  const attempts = [
    agent({ secret: expired, at: later(15.001) }),
    agent({ secret: bound, name: "web-2" }),
    agent({ secret: "sonde_et_unknown" }),
  ];
  for (const attempt of attempts) {
    expect(await codeOf(store.enrol(attempt))).toBe("TOKEN_REFUSED");
    expect(await countAgents(attempt.name)).toBe(0);
  }
  expect(await codeOf(store.enrol(agent({ secret: bound, name: "web-1" })))).toBe("done");
});

test("a taken name uses up no token and changes nothing", async () => {
  const first = agent({ secret: await addToken(), name: "web-3" });
  await store.enrol(first);
  const secret = await addToken();
  const second = agent({ secret, name: "web-3", id: first.id });
  expect(await codeOf(store.enrol(second))).toBe("AGENT_NAME_TAKEN");
  expect(await store.findCertificate(first.serial, first.keyId, later(2))).toMatchObject({
    publicKey: first.publicKey,
  });
  expect(await codeOf(store.enrol(agent({ secret, name: "web-4" })))).toBe("done");
});

test("a token for exactly this name gives the agent a new key and ends its old certificates", async () => {
  const first = agent({ secret: await addToken(), name: "web-5" });
  await store.enrol(first);
  const secret = await addToken("web-5");
  const stranger = agent({ secret, name: "web-5" });
  expect(await codeOf(store.enrol(stranger))).toBe("AGENT_NAME_TAKEN");
  const second = agent({ secret, name: "web-5", id: first.id });
  await store.enrol(second);
  expect(await store.findCertificate(first.serial, first.keyId, later(2))).toBe(null);
  expect(await store.findCertificate(second.serial, second.keyId, later(2))).toMatchObject({
    agentId: first.id,
    publicKey: second.publicKey,
  });
});

test("attack 9: a certificate that has ended or has another key is not on the allow-list", async () => {
  const enrolled = agent({ secret: await addToken() });
  await store.enrol(enrolled);
  const { serial, keyId, certificateExpiresAt } = enrolled;
  expect(await store.findCertificate(serial, keyId, later(2))).not.toBe(null);
  expect(await store.findCertificate(serial, keyId, certificateExpiresAt)).toBe(null);
  expect(await store.findCertificate(serial, `sha256:${"1".repeat(64)}`, later(2))).toBe(null);
});

test("attack 16: no token is in the database in a form that enrols", async () => {
  const secret = await addToken();
  const rows = await database.sql`select * from enrolment_tokens`;
  expect(JSON.stringify(rows)).not.toContain(secret.slice("sonde_et_".length));
});
