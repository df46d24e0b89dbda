import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage } from "node:http";
import { request } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HttpServer } from "@sonde/service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditLog, createAuditStore, openAudit } from "../../audit/index.ts";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { type HubKeys, openHubKeys } from "../../keys/open-hub-keys.ts";
import { createAgentCopies } from "./agent-copies.ts";
import { createAgentHolds } from "./agent-holds.ts";
import { createEnrolListener } from "./enrol-listener.ts";
import { createEnrolmentStore } from "./enrolment-store.ts";

let database: HubDatabase;
let auditLog: AuditLog;
let directory: Directory;
let keysDir: string;
let keys: HubKeys;
let app: HttpServer;
let nowMs = Date.now();
const now = () => new Date(nowMs);
const fail = (error: Error) => {
  throw error;
};

beforeAll(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, fail);
  auditLog = await openAudit(createAuditStore(database.sql, randomUUID()));
  keysDir = mkdtempSync(join(tmpdir(), "sonde-keys-"));
  keys = await openHubKeys({
    ...{ folder: keysDir, names: ["localhost"], keyAlgorithm: "ed25519", now, report: fail },
  });
  const enrolments = createEnrolmentStore(database.sql, directory);
  const holds = createAgentHolds({ auditLog, directory, now });
  app = createEnrolListener({
    keys,
    addresses: { web: "", enrol: "localhost:0", enrolPort: 0, controlOf: (name) => `${name}:1` },
    registryHead: () => null,
    enrolments,
    holds,
    copies: createAgentCopies({
      ...{ directory, enrolments, holds },
      links: { lease: () => Promise.reject(new Error("no agent of these tests comes back")) },
    }),
    directory,
    auditLog,
    now,
    report: fail,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await app?.close();
  await directory?.close();
  await database?.close();
  keys?.signing.close();
  rmSync(keysDir, { recursive: true, force: true });
});

/** @param localAddress the client's address; all of 127.0.0.0/8 is this machine */
async function ask(method: string, path: string, body?: object, localAddress = "127.0.0.1") {
  const asked = request({
    host: "127.0.0.1",
    port: (app.server.address() as AddressInfo).port,
    servername: "localhost",
    ca: keys.authority,
    agent: false,
    method,
    path,
    localAddress,
    headers: body === undefined ? {} : { "content-type": "application/json" },
  });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const text = (await response.toArray()).join("");
  const { error } = JSON.parse(text) as { error?: { code: string } };
  return { headers: response.headers, code: error?.code ?? response.statusCode };
}
const attempt = async (localAddress?: string) => {
  const body = { token: "sonde_et_guess", agentName: "web-1", csr: "no request", proof: "" };
  return (await ask("POST", "/enrol", body, localAddress)).code;
};
const codes = async (count: number, localAddress?: string) => {
  const got: unknown[] = [];
  for (let index = 0; index < count; index++) got.push(await attempt(localAddress));
  return got;
};

test("identity rule 1: an address has five attempts a minute, and is then refused unread", async () => {
  const from = auditLog.head().size;
  const refused = "TOKEN_REFUSED";
  const many = "TOO_MANY_ATTEMPTS";
  expect(await codes(7)).toEqual([...Array<string>(5).fill(refused), many, many]);
  expect(await codes(1, "127.0.0.2")).toEqual([refused]);
  const rows = await createAuditStore(database.sql, randomUUID()).read(from, 100);
  const refusals = rows.map(({ record: { event, code, detail } }) => [
    ...[event, code, detail["address"]],
  ]);
  expect(refusals).toEqual([
    ...Array.from({ length: 5 }, () => ["token.refused", refused, "127.0.0.1"]),
    // One row for those above the limit; the rest of the minute is counted.
    ["token.refused", many, "127.0.0.1"],
    ["token.refused", refused, "127.0.0.2"],
  ]);
  nowMs += 60_000;
  expect(await codes(6)).toEqual([...Array<string>(5).fill(refused), many]);
});

test("identity rule 1: of a flood of guesses from many addresses a hundred have a row each", async () => {
  nowMs += 60_000;
  const from = auditLog.head().size;
  for (let index = 1; index <= 30; index++) {
    expect(await codes(5, `127.0.1.${index}`)).toEqual(Array(5).fill("TOKEN_REFUSED"));
  }
  const rows = await createAuditStore(database.sql, randomUUID()).read(from, 1000);
  const named = rows.filter(({ record }) => record.detail["agentName"] === "web-1");
  expect(named.length).toBe(100);
  // Of the other fifty, one row for each of the ten addresses.
  expect(rows.length).toBe(110);
});

test("refusals have the common error body", async () => {
  const challenge = await ask("GET", "/enrol/challenge");
  expect(challenge.code).toBe(200);
  expect(challenge.headers["sonde-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  expect((await ask("GET", "/nowhere")).code).toBe("NOT_FOUND");
  expect((await ask("POST", "/enrol", { token: 1 })).code).toBe("BAD_REQUEST");
  expect((await ask("POST", "/enrol", { token: "x".repeat(20_000) })).code).toBe("BODY_TOO_LARGE");
});

test("a client that never speaks does not hold up the stop", async () => {
  const silent = connect((app.server.address() as AddressInfo).port, "127.0.0.1").resume();
  await once(silent, "connect");
  const before = performance.now();
  await app.close();
  expect(performance.now() - before).toBeLessThan(5000);
});
