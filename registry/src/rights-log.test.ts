import { type AuditEntry, type AuditPage } from "@sonde/schemas/audit";
import type { CreatedPublishToken, PublisherList, TrustedPublisher } from "@sonde/schemas/registry";
import { verifyChain } from "@sonde/trust/chain";
import { createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry, codeOf } from "./testing/test-registry.ts";

// The registry's record of who changed rights, as its operator reads it.
const TOKENS = "/api/v1/publishers/acme/tokens";
const TRUSTED = "/api/v1/publishers/acme/trusted-publishers";
const ISSUER = "http://127.0.0.1:1";
let registry: TestRegistry;
let owner: string;
const acme = createSampleKey();

beforeAll(async () => {
  const issuers = [{ kind: "generic", issuer: ISSUER, jwksUri: `${ISSUER}/keys` }];
  registry = await TestRegistry.start({
    trustedPublishing: { audience: "https://registry.example", issuers },
  });
  owner = await registry.addPublisher("acme", acme);
}, 120_000);
afterAll(() => registry.close());

async function readLog(afterSeq = 0): Promise<AuditEntry["record"][]> {
  const answer = await registry.operate("GET", `/audit?afterSeq=${afterSeq}&limit=1000`);
  expect(answer.status).toBe(200);
  const { entries, head } = answer.body as AuditPage;
  if (afterSeq === 0) expect(verifyChain(entries)).toEqual(head);
  return entries.map(({ record }) => record);
}
const describe = ({ event, principal }: AuditEntry["record"]) => `${event} by ${principal}`;

test("what the operator and what a token changed is recorded with its maker", async () => {
  expect((await readLog()).map(describe)).toEqual([
    ...["publisher.added by operator", "publisher-key.added by operator"],
    "token.created by operator",
  ]);
  const [, , first] = await readLog();
  const ownerId = String(first?.detail["id"]);
  const before = (await readLog()).length;
  const make = { role: "ci", label: "a test", pack: "acme/hello" };
  const made = await registry.send("POST", TOKENS, owner, make);
  const { token, about } = made.body as CreatedPublishToken;
  const wish = { issuer: ISSUER, identity: { kind: "generic", sub: "job" } };
  const trusted = (await registry.send("POST", TRUSTED, owner, wish)).body as TrustedPublisher;
  await registry.send("DELETE", `${TRUSTED}/${trusted.id}`, owner);
  await registry.operate("DELETE", `${TOKENS}/${about.id}`);
  const identity = { publisher: "acme", issuer: "https://issuer.example", identity: "a@b.example" };
  await registry.operate("POST", "/identities", identity);
  const second = createSampleKey();
  await registry.addPublisher("acme", second);
  const keyId = (await readLog()).at(-2)?.detail["keyId"];
  await registry.operate("DELETE", `/publishers/acme/keys/${String(keyId)}`);
  const records = await readLog(before);
  expect(records.map(describe)).toEqual([
    `token.created by token:${ownerId}`,
    `trusted-publisher.added by token:${ownerId}`,
    `trusted-publisher.removed by token:${ownerId}`,
    "token.revoked by operator",
    ...["publisher-identity.added by operator", "token.created by operator"],
    ...["publisher-key.added by operator", "token.created by operator"],
    "publisher-key.removed by operator",
  ]);
  expect(records[0]?.detail).toMatchObject({ id: about.id, pack: "acme/hello", role: "ci" });
  expect(records[3]?.detail).toEqual({ id: about.id, publisher: "acme" });
  // No secret is in the record.
  expect(JSON.stringify(records)).not.toContain(token.slice("sonde_pt_".length));
});

test("a request without the right is recorded with its token", async () => {
  const before = (await readLog()).length;
  const made = await registry.send("POST", TOKENS, owner, { role: "ci", label: "narrow" });
  const { token, about } = made.body as CreatedPublishToken;
  expect(codeOf(await registry.send("GET", TOKENS, token))).toBe("FORBIDDEN");
  const [, denied] = await readLog(before);
  expect(denied).toMatchObject({
    ...{ event: "request.denied", principal: `token:${about.id}`, code: "FORBIDDEN" },
    detail: { method: "GET" },
  });
});

test("a change that cannot be recorded does not happen", async () => {
  const before = await readLog();
  const full = "add constraint full_disk check (event <> 'token.created') not valid";
  await registry.inDatabase((sql) => sql.unsafe(`alter table audit_log ${full}`));
  const publicKey = createSampleKey().publicKeyPem;
  const added = await registry.operate("POST", "/publishers", { name: "unrecorded", publicKey });
  expect(added.status).toBe(500);
  await registry.inDatabase((sql) => sql.unsafe("alter table audit_log drop constraint full_disk"));
  expect((await readLog()).length).toBe(before.length);
  const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
  expect(publishers.map(({ name }) => name)).toEqual(["acme"]);
});

test("changes at the same time make one chain", async () => {
  const before = (await readLog()).length;
  const make = () => registry.send("POST", TOKENS, owner, { role: "ci", label: "one of many" });
  await Promise.all(Array.from({ length: 20 }, make));
  expect((await readLog()).length).toBe(before + 20);
});

test("refused tokens are recorded, each, also by a registry that is stopped at once", async () => {
  const before = (await readLog()).length;
  for (let count = 0; count < 4; count++) {
    expect((await registry.send("GET", TOKENS, "sonde_pt_guess")).status).toBe(401);
  }
  expect(await registry.stop("SIGTERM")).toBe(0);
  await registry.start();
  const records = await readLog(before);
  expect(records.map(({ event, detail }) => [event, detail])).toEqual([
    ["token.refused", { address: "127.0.0.1", count: 1 }],
    ["token.refused", { address: "127.0.0.1", count: 3 }],
  ]);
});
