import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import type { HttpServer } from "@sonde/service";
import { type KeyedCertificate, createAuthority, openAuthority } from "@sonde/trust/ca";
import { createSigningKey } from "@sonde/trust/envelope";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditLog, createAuditStore, openAudit } from "../../audit/index.ts";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createEnrolListener } from "./enrol-listener.ts";
import { createEnrolmentStore } from "./enrolment-store.ts";

let database: HubDatabase;
let auditLog: AuditLog;
let directory: Directory;
let authority: KeyedCertificate;
let app: HttpServer;
let nowMs = Date.now();
const now = () => new Date(nowMs);
const fail = (error: Error) => {
  throw error;
};

beforeAll(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, fail);
  auditLog = await openAudit(createAuditStore(database.sql, randomUUID()), now);
  const hubId = randomUUID();
  authority = await createAuthority(hubId, now());
  const opened = await openAuthority(authority, now);
  const command = generateKeyPairSync("ed25519");
  const signer = createSigningKey(command.privateKey, command.publicKey);
  const issued = await opened.issueServerCertificate(["localhost"]);
  app = createEnrolListener({
    keys: {
      ...{ hubId, authority: authority.certificate, server: issued, fingerprint: "" },
      ...{ signer, publicKey: "", openAuthority: () => Promise.resolve(opened) },
    },
    addresses: { enrol: "localhost:0", control: "localhost:1" },
    registryHead: () => null,
    enrolments: createEnrolmentStore(database.sql, directory),
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
});

/** @param localAddress the client's address; all of 127.0.0.0/8 is this machine */
async function ask(method: string, path: string, body?: object, localAddress = "127.0.0.1") {
  const asked = request({
    host: "127.0.0.1",
    port: (app.server.address() as AddressInfo).port,
    servername: "localhost",
    ca: authority.certificate,
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
  const refused = "CSR_INVALID";
  const many = "TOO_MANY_ATTEMPTS";
  expect(await codes(7)).toEqual([...Array<string>(5).fill(refused), many, many]);
  expect(await codes(1, "127.0.0.2")).toEqual([refused]);
  const rows = await createAuditStore(database.sql, randomUUID()).read(from, 100);
  expect(rows.map(({ record }) => [record.event, record.detail["address"]])).toEqual([
    ...Array.from({ length: 5 }, () => ["token.refused", "127.0.0.1"]),
    ["token.refused", "127.0.0.2"],
  ]);
  nowMs += 60_000;
  expect(await codes(6)).toEqual([...Array<string>(5).fill(refused), many]);
});

test("identity rule 1: all addresses together have a hundred attempts a minute", async () => {
  nowMs += 60_000;
  // Attempts above one address's limit do not count for all addresses.
  await codes(20, "127.0.1.0");
  const got: unknown[] = [];
  for (let index = 1; index <= 20; index++) got.push(...(await codes(5, `127.0.1.${index}`)));
  expect(got.filter((code) => code === "CSR_INVALID").length).toBe(95);
  expect(got.slice(95)).toEqual(Array(5).fill("TOO_MANY_ATTEMPTS"));
});

test("refusals have the common error body", async () => {
  const challenge = await ask("GET", "/enrol/challenge");
  expect(challenge.code).toBe(200);
  expect(challenge.headers["sonde-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  expect((await ask("GET", "/nowhere")).code).toBe("NOT_FOUND");
  expect((await ask("POST", "/enrol", { token: 1 })).code).toBe("BAD_REQUEST");
  expect((await ask("POST", "/enrol", { token: "x".repeat(20_000) })).code).toBe("BODY_TOO_LARGE");
});
