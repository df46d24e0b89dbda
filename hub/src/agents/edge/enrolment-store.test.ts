import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createEnrolmentStore, type EnrolmentStore } from "./enrolment-store.ts";
import { addTestMaker, TEST_MAKER } from "../../testing/test-maker.ts";

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
  await addTestMaker(database.sql);
});
afterAll(async () => {
  await directory.close();
  await database.close();
});

async function addToken(
  agentName: string | null = null,
  tags: string[] = [],
  approvesFirst = true,
): Promise<string> {
  const secret = `sonde_et_${randomUUID()}`;
  const by = { createdBy: TEST_MAKER, at, expiresAt: later(15) };
  await store.addToken({ ...by, secret, agentName, tags, approvesFirst });
  return secret;
}

function agent(change: Partial<Parameters<EnrolmentStore["enrol"]>[0]>) {
  const id = randomUUID();
  return {
    secret: "",
    id,
    name: `host-${id}`,
    isKnown: false,
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
  const second = agent({ secret, name: "web-3", id: first.id, isKnown: true });
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
  const second = agent({ secret, name: "web-5", id: first.id, isKnown: true });
  await database.sql`update agents set witness = '{}' where id = ${first.id}`;
  await store.enrol(second);
  const [row] = await database.sql`select witness from agents where id = ${first.id}`;
  expect(row).toEqual({ witness: null });
  expect(await store.findCertificate(first.serial, first.keyId, later(2))).toBe(null);
  expect(await store.findCertificate(second.serial, second.keyId, later(2))).toMatchObject({
    agentId: first.id,
    publicKey: second.publicKey,
  });
});

test("an agent gets the tags of its token, and keeps them when it enrols anew without any", async () => {
  const first = agent({ secret: await addToken("web-7", ["env=prod", "role=web"]), name: "web-7" });
  expect(await store.enrol(first)).toEqual(["env=prod", "role=web"]);
  expect(directory.agent("web-7").tags).toEqual(["env=prod", "role=web"]);
  const again = { ...first, serial: "e1", secret: await addToken("web-7") };
  expect(await store.enrol(again)).toEqual(["env=prod", "role=web"]);
  const anew = { ...first, serial: "e2", secret: await addToken("web-7", ["role=db"]) };
  expect(await store.enrol(anew)).toEqual(["role=db"]);
  expect(directory.agent("web-7").tags).toEqual(["role=db"]);
});

test("an id that was revoked while its host enrolled anew is never used again", async () => {
  const first = agent({ secret: await addToken(), name: "web-9" });
  await store.enrol(first);
  await store.revokeAgent(first);
  const secret = await addToken();
  const anew = { ...first, secret, serial: "a9", isKnown: true };
  expect(await codeOf(store.enrol(anew))).toBe("AGENT_NAME_TAKEN");
  expect(await store.findCertificate("a9", first.keyId, later(2))).toBe(null);
  expect(await countAgents("web-9")).toBe(0);
  expect(await codeOf(store.enrol(agent({ secret, name: "web-9" })))).toBe("done");
});

test("the end of an agent's newest certificate is known, also after a renewal", async () => {
  const enrolled = agent({ secret: await addToken(), name: "web-8" });
  await store.enrol(enrolled);
  const end = () => directory.agent("web-8").certificateExpiresAt;
  expect(end()).toBe(later(10_000).toISOString());
  const { id: agentId, publicKey, keyId } = enrolled;
  const next = { serial: "f1", expiresAt: later(20_000), at: later(2) };
  await store.addCertificate({ agentId, publicKey, keyId, ...next });
  expect(end()).toBe(later(20_000).toISOString());
});

test("attack 21: no certificate is renewed for a key that was replaced meanwhile", async () => {
  const first = agent({ secret: await addToken(), name: "web-6" });
  await store.enrol(first);
  const secret = await addToken("web-6");
  const second = agent({ secret, name: "web-6", id: first.id, isKnown: true });
  const next = (serial: string, { publicKey, keyId }: typeof first) =>
    store.addCertificate({
      ...{ serial, publicKey, keyId },
      agentId: first.id,
      expiresAt: later(9),
      at: later(2),
    });
  await next("a1", first);
  expect(await store.findCertificate("a1", first.keyId, later(2))).not.toBe(null);
  // The renewal of the old key's session and the enrolment of the new key run at the same time.
  const renewals = Array.from({ length: 8 }, (_, index) => codeOf(next(`b${index}`, first)));
  await store.enrol(second);
  expect(await codeOf(next("c1", first))).toBe("CERTIFICATE_REFUSED");
  await Promise.all(renewals);
  for (const serial of ["a1", "c1", ...renewals.map((_, index) => `b${index}`)]) {
    expect(await store.findCertificate(serial, first.keyId, later(2))).toBe(null);
  }
  await next("d1", second);
  expect(await store.findCertificate("d1", second.keyId, later(2))).not.toBe(null);
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

test("a token says who approves the first statement in advance, at each enrolment anew", async () => {
  const web = agent({ secret: await addToken("web-first"), name: "web-first" });
  await store.enrol(web);
  const approver = async () => {
    const rows = await database.sql`select first_approved_by from agents where id = ${web.id}`;
    return rows[0]?.["first_approved_by"] as string | null;
  };
  expect(await approver()).toBe(TEST_MAKER);
  const other = {
    isKnown: true,
    serial: randomUUID(),
    secret: await addToken("web-first", [], false),
  };
  await store.enrol({ ...web, ...other });
  expect(await approver()).toBe(null);
});
