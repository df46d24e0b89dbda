import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { type ErrorBody, SondeError } from "@sonde/schemas/errors";
import type { KeyPolicy } from "@sonde/schemas/hub";
import type { HttpServer } from "@sonde/service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditLog, createAuditStore, openAudit } from "../../audit/index.ts";

import { type Directory, openDirectory } from "../../directory/index.ts";
import {
  type Authenticator,
  createAuthenticator,
  createKeyStore,
  type KeyStore,
} from "../../identity/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createApiServer } from "./api-server.ts";

let database: HubDatabase;
let directory: Directory;
let store: KeyStore;
let authenticator: Authenticator;
let app: HttpServer;
let auditLog: AuditLog;
const reported: { error: Error; requestId: string | undefined }[] = [];
const now = () => new Date();
/** Nobody is signed in. */
const NOBODY = { authenticate: () => Promise.resolve(null) };
const fail = (error: Error) => {
  throw error;
};

beforeAll(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, fail);
  store = createKeyStore(database.sql, directory);
  auditLog = await openAudit(createAuditStore(database.sql, randomUUID()));
  authenticator = createAuthenticator({ keys: store, auditLog, now, report: fail });
  app = createApiServer({
    publicHosts: () => ["sonde.example"],
    authenticator,
    sessions: NOBODY,
    auditLog,
    now,
    report: (error, requestId) => {
      reported.push({ error, requestId });
    },
    trustedProxies: () => ["127.0.0.1"],
  });
  app.get("/defect", { config: { right: "calls.read" } }, () => {
    throw new Error("a secret detail");
  });
  app.get("/foreign", { config: { right: "calls.read" } }, () => {
    throw new SondeError("FORBIDDEN", "not this one");
  });
  app.get("/ip", { config: { right: "anybody" } }, ({ ip }) => ({ ip }));
  app.get("/agents", { config: { right: "agents.read" } }, () => ({ reached: true }));
  app.get("/agents/:agent", { config: { right: "agents.read" } }, () => ({
    reached: true,
  }));
  app.get("/own-row", { config: { right: "audit.read" } }, () => ({ reached: true }));
  app.get("/keys", { config: { right: "keys.manage" } }, () => ({ reached: true }));
  await app.ready();
});
afterAll(async () => {
  await authenticator.close();
  await app.close();
  await database.close();
});

async function addKey(role: KeyPolicy["role"]): Promise<{ id: string; secret: string }> {
  const id = randomUUID();
  const secret = `sonde_ak_${id.replaceAll("-", "")}`;
  const policy: KeyPolicy = { role, agents: "*", probes: "*" };
  await store.addKey({ id, name: role, secret, policy, createdBy: null, at: new Date() });
  return { id, secret };
}

async function ask(path: string, headers: Record<string, string> = {}) {
  const answer = await app.inject({ url: path, headers: { host: "localhost:1", ...headers } });
  const body = answer.json<{ reached?: true; error?: { code: string } }>();
  return body.reached ? "reached" : body.error?.code;
}
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

test("attack 24: a route that names no right does not start", () => {
  const bare = createApiServer({
    publicHosts: () => [],
    authenticator,
    sessions: NOBODY,
    auditLog,
    now,
    report: fail,
  });
  expect(() => bare.get("/open", () => "secret")).toThrow(/names no right/);
});

test("a key has exactly the rights of its role", async () => {
  const client = await addKey("client");
  const operator = await addKey("operator");
  expect(await ask("/agents", bearer(client.secret))).toBe("reached");
  expect(await ask("/keys", bearer(client.secret))).toBe("FORBIDDEN");
  expect(await ask("/keys", bearer(operator.secret))).toBe("reached");
});

test("each read is in the audit log, once and before its answer", async () => {
  const { id, secret } = await addKey("operator");
  const from = auditLog.head().size;
  for (const path of ["/agents", "/keys", "/agents/web-1", "/own-row", "/health"]) {
    await ask(path, bearer(secret));
  }
  await ask("/keys");
  const rows = await createAuditStore(database.sql, randomUUID()).read(from, 100);
  const reads = rows.filter(({ record }) => record.event === "log.read");
  expect(
    reads.map(({ record }) => [record.event, record.principal, record.detail["route"]]),
  ).toEqual([
    ["log.read", `key:${id}`, "/agents"],
    ["log.read", `key:${id}`, "/keys"],
    ["log.read", `key:${id}`, "/agents/:agent"],
  ]);
  expect(reads.at(-1)?.record.detail["params"]).toEqual({ agent: "web-1" });
});

test.each([
  ["no key", {}],
  ["an empty key", { authorization: "Bearer " }],
  ["an unknown key", bearer(`sonde_ak_${"x".repeat(43)}`)],
  ["another scheme", { authorization: "Basic c29uZGU6c29uZGU=" }],
  ["a key of another kind", bearer(`sonde_et_${"x".repeat(43)}`)],
])("%s is refused", async (_what, headers) => {
  expect(await ask("/agents", headers)).toBe("UNAUTHENTICATED");
});

test("the scheme of a bearer token has no case, and a refusal names it", async () => {
  const { secret } = await addKey("operator");
  for (const scheme of ["bearer", "BEARER"]) {
    expect(await ask("/agents", { authorization: `${scheme} ${secret}` })).toBe("reached");
  }
  const refused = await app.inject({ url: "/agents", headers: { host: "localhost" } });
  expect([refused.statusCode, refused.headers["www-authenticate"]]).toEqual([
    401,
    'Bearer realm="sonde"',
  ]);
});

test("a revoked key is refused at once", async () => {
  const { id, secret } = await addKey("client");
  expect(await ask("/agents", bearer(secret))).toBe("reached");
  await store.revokeKeys([id], new Date());
  authenticator.forget(id);
  expect(await ask("/agents", bearer(secret))).toBe("UNAUTHENTICATED");
});

test("a key whose maker was revoked is not added", async () => {
  const { id } = await addKey("operator");
  const made = { id: randomUUID(), name: "made", secret: "sonde_ak_made", at: new Date() };
  const policy = { role: "client", agents: "*", probes: "*" } as const;
  await store.revokeKeys([id], new Date());
  const added = store.addKey({ ...made, policy, createdBy: `key:${id}` });
  await expect(added).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(await store.findKey(made.secret)).toBeNull();
});

test("attack 32: a foreign Host or Origin is refused before the key is looked at", async () => {
  const { secret } = await addKey("operator");
  const headers = bearer(secret);
  expect(await ask("/agents", { ...headers, host: "sonde.example" })).toBe("reached");
  expect(await ask("/agents", { ...headers, host: "evil.example" })).toBe("ORIGIN_REFUSED");
  expect(await ask("/agents", { ...headers, host: "localhost.evil.example" })).toBe(
    "ORIGIN_REFUSED",
  );
  const evil = { ...headers, origin: "https://evil.example" };
  expect(await ask("/agents", evil)).toBe("ORIGIN_REFUSED");
  expect(await ask("/agents", { ...headers, origin: "http://localhost:3000" })).toBe("reached");
});

test("attack 32: a name of loopback counts only where a request came by loopback", async () => {
  const { secret } = await addKey("operator");
  // Sockets of this machine, which say that they came to the network's address.
  const door = createServer((socket) => {
    Object.defineProperty(socket, "localAddress", { value: "192.0.2.10" });
    app.server.emit("connection", socket);
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const { port } = door.address() as AddressInfo;
  const askBy = async (headers: Record<string, string>) => {
    const asked = request({ port, path: "/agents", headers: { ...bearer(secret), ...headers } });
    const [answer] = (await once(asked.end(), "response")) as [IncomingMessage];
    return JSON.parse(Buffer.concat(await answer.toArray()).toString()) as object;
  };
  const refused = { error: expect.objectContaining({ code: "ORIGIN_REFUSED" }) };
  expect(await askBy({ host: "sonde.example" })).toEqual({ reached: true });
  expect(await askBy({ host: "localhost" })).toEqual(refused);
  expect(await askBy({ host: "sonde.example", origin: "http://localhost:3000" })).toEqual(refused);
  expect(await askBy({ host: "sonde.example", origin: "https://sonde.example" })).toEqual({
    reached: true,
  });
  door.close();
});

test("attack 16: the database holds no usable key", async () => {
  const { secret } = await addKey("operator");
  const rows = await database.sql`select * from api_keys`;
  expect(rows.length).toBeGreaterThan(0);
  expect(JSON.stringify(rows)).not.toContain(secret.slice("sonde_ak_".length));
});

test("a denial by guard or handler is in the audit log before its answer", async () => {
  const { id, secret } = await addKey("auditor");
  const from = auditLog.head().size;
  expect(await ask("/keys", bearer(secret))).toBe("FORBIDDEN");
  expect(await ask("/foreign", bearer(secret))).toBe("FORBIDDEN");
  const rows = await createAuditStore(database.sql, randomUUID()).read(from, 100);
  const denied = rows.filter(({ record }) => record.event === "request.denied");
  expect(denied.map(({ record }) => [record.principal, record.code, record.detail])).toEqual([
    [
      `key:${id}`,
      "FORBIDDEN",
      {
        method: "GET",
        route: "/keys",
        reason: "the role auditor may not do keys.manage",
      },
    ],
    [`key:${id}`, "FORBIDDEN", { method: "GET", route: "/foreign", reason: "not this one" }],
  ]);
});

test("an internal error is logged under the request id of its answer", async () => {
  const { secret } = await addKey("operator");
  const headers = { host: "localhost:1", ...bearer(secret) };
  const answer = await app.inject({ url: "/defect", headers });
  expect(answer.json()).toMatchObject({ error: { code: "INTERNAL" } });
  expect(answer.body).not.toContain("secret");
  expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  expect(reported.length).toBe(1);
  expect(reported[0]?.requestId).toBe(answer.headers["sonde-request-id"]);
  expect(answer.json<ErrorBody>().error.message).toContain(answer.headers["sonde-request-id"]);
});

test("behind a proxy the client's address is the proxy's entry, not the client's own", async () => {
  const headers = { host: "localhost:1", "x-forwarded-for": "198.51.100.1, 192.0.2.1" };
  expect((await app.inject({ url: "/ip", headers })).json()).toEqual({ ip: "192.0.2.1" });
});

test("an error outside of a route still has a code", async () => {
  const { secret } = await addKey("client");
  expect(await ask("/nowhere", bearer(secret))).toBe("NOT_FOUND");
  expect(await ask("/%zz", bearer(secret))).toBe("BAD_REQUEST");
});
