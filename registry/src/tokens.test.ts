import type { CreatedPublishToken, PublishTokenList, PublisherList } from "@sonde/schemas";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createHttpServer } from "./edge/http/http-server.ts";
import { guardRoutes } from "./edge/http/guard-routes.ts";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

vi.setConfig({ testTimeout: 60_000 });

const TOKENS = "/api/v1/publishers/acme/tokens";
const TRUSTED = "/api/v1/publishers/acme/trusted-publishers";
const SOME_ID = "00000000-0000-4000-8000-000000000000";
let registry: TestRegistry;
let acme: SampleKey;
let owner: string;

beforeAll(async () => {
  // Nobody is asked there: it makes the routes of trusted publishing exist.
  const issuers = [{ kind: "github", issuer: "http://127.0.0.1:1" }];
  const trustedPublishing = { audience: "https://registry.example", issuers };
  registry = await TestRegistry.start({ trustedPublishing });
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  await registry.addPublisher("other", createSampleKey());
}, 120_000);
afterAll(() => registry.close());

const make = (wish: object, bearer = owner): Promise<Answer> =>
  registry.send("POST", TOKENS, bearer, { role: "ci", label: "a test", ...wish });
const made = async (wish: object, bearer?: string): Promise<CreatedPublishToken> => {
  const { status, body } = await make(wish, bearer);
  expect(status).toBe(201);
  return body as CreatedPublishToken;
};
let minor = 0;
const publish = (bearer: string, name = "acme/hello"): Promise<Answer> => {
  const version = `1.${(minor += 1)}.0`;
  const archive = buildSampleArchive({ manifest: { name, version } });
  return registry.publish(signUpload(archive, `${name}/${version}`, acme, bearer));
};
const list = async (): Promise<PublishTokenList["tokens"]> =>
  ((await registry.send("GET", TOKENS, owner)).body as PublishTokenList).tokens;

test("an owner makes a token for one pack; it publishes that pack and nothing else", async () => {
  const { token, about } = await made({ pack: "acme/hello", days: 1 });
  expect(about).toMatchObject({ role: "ci", pack: "acme/hello", actions: ["publish"] });
  expect(Date.parse(about.expiresAt) - Date.parse(about.createdAt)).toBe(24 * 60 * 60 * 1000);
  expect((await publish(token)).status).toBe(201);
  const other = await publish(token, "acme/other");
  expect([other.status, codeOf(other)]).toEqual([403, "FORBIDDEN"]);
  const tokens = await registry.send("GET", TOKENS, token);
  expect([tokens.status, codeOf(tokens)]).toEqual([403, "FORBIDDEN"]);
});

test("the list tells everything but the secret, which no database has either", async () => {
  const { token, about } = await made({ role: "maintainer", label: "for release" });
  const tokens = await list();
  expect(tokens).toContainEqual(about);
  expect(tokens.find(({ id }) => id === about.createdBy)).toMatchObject({ role: "owner" });
  const secret = token.slice("sonde_pt_".length);
  expect(JSON.stringify(tokens)).not.toContain(secret);
});

test("a revoked token is worth nothing at once, and again is the same", async () => {
  const { token, about } = await made({});
  const revoke = () => registry.send("DELETE", `${TOKENS}/${about.id}`, owner);
  const first = await revoke();
  expect(first).toMatchObject({ status: 200, body: { id: about.id } });
  expect((await revoke()).body).toEqual(first.body);
  const refused = await publish(token);
  expect([refused.status, codeOf(refused)]).toEqual([401, "UNAUTHENTICATED"]);
  const foreign = `/api/v1/publishers/other/tokens/${about.id}`;
  expect(codeOf(await registry.send("DELETE", foreign, owner))).toBe("FORBIDDEN");
  expect(codeOf(await registry.operate("DELETE", foreign))).toBe("NOT_FOUND");
});

test("a token that is over is worth nothing", async () => {
  const { token, about } = await made({});
  expect((await publish(token)).status).toBe(201);
  await registry.inDatabase(
    async (sql) => sql`update publisher_tokens
      set expires_at = now() - interval '1 second' where id = ${about.id}`,
  );
  const refused = await publish(token);
  expect([refused.status, codeOf(refused)]).toEqual([401, "UNAUTHENTICATED"]);
});

test("no token makes another that does more or lives longer than itself", async () => {
  const narrow = await made({ role: "owner", actions: ["publish", "tokens"], days: 2 });
  expect(codeOf(await make({ role: "owner", actions: ["yank"] }, narrow.token))).toBe("FORBIDDEN");
  expect(codeOf(await make({ days: 3 }, narrow.token))).toBe("FORBIDDEN");
  expect(codeOf(await make({ pack: "other/hello" }, narrow.token))).toBe("FORBIDDEN");
  const child = await made({}, narrow.token);
  expect(child.about.expiresAt).toBe(narrow.about.expiresAt);
  expect(child.about.createdBy).toBe(narrow.about.id);
  const bound = await made({ role: "owner", pack: "acme/hello" });
  expect(codeOf(await make({ pack: "acme/hello" }, bound.token))).toBe("FORBIDDEN");
});

test.each<[string, object]>([
  ["a role that is not one", { role: "operator" }],
  ["an action that is not one", { actions: ["quarantine"] }],
  ["no action", { actions: [] }],
  ["ten years", { days: 3650 }],
  ["a label of more lines", { label: "a\nb" }],
  ["something unknown", { admin: true }],
])("a wish with %s is refused", async (_what, wish) => {
  expect(codeOf(await make(wish))).toBe("BAD_REQUEST");
});

test("the operator lists publishers, makes and revokes tokens, and removes keys", async () => {
  const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
  expect(publishers.map(({ name }) => name)).toEqual(["acme", "other"]);
  const answer = await registry.operate("POST", TOKENS, { role: "maintainer", label: "new" });
  const { token, about } = answer.body as CreatedPublishToken;
  expect(about).toMatchObject({ createdBy: "operator", actions: ["publish", "yank", "deprecate"] });
  expect((await publish(token)).status).toBe(201);
  await registry.operate("DELETE", `${TOKENS}/${about.id}`);
  expect((await publish(token)).status).toBe(401);
  expect(codeOf(await registry.operate("GET", "/api/v1/publishers/none/tokens"))).toBe(
    "PUBLISHER_UNKNOWN",
  );
});

test("what a removed key signed is refused from then on", async () => {
  const second = createSampleKey();
  await registry.addPublisher("acme", second);
  const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
  const keyIds = publishers.find(({ name }) => name === "acme")?.keyIds ?? [];
  expect(keyIds.length).toBe(2);
  const upload = (version: string) =>
    signUpload(
      buildSampleArchive({ manifest: { version } }),
      `acme/hello/${version}`,
      second,
      owner,
    );
  expect((await registry.publish(upload("5.0.0"))).status).toBe(201);
  for (const keyId of keyIds) await registry.operate("DELETE", `/publishers/acme/keys/${keyId}`);
  const refused = await registry.publish(upload("5.0.1"));
  expect([refused.status, codeOf(refused)]).toEqual([403, "SIGNER_UNTRUSTED"]);
  const again = await registry.operate("DELETE", `/publishers/acme/keys/${keyIds[0]}`);
  expect(codeOf(again)).toBe("NOT_FOUND");
  await registry.addPublisher("acme", acme);
});

/** Every route that needs a right, and which roles have it. */
const ROUTES: [method: string, path: string, roles: string[]][] = [
  ["PUT", "/api/v1/packs/acme/hello/1.0.0", ["owner", "maintainer", "ci"]],
  ["PUT", "/api/v1/packs/acme/hello/1.0.0/yank", ["owner", "maintainer"]],
  ["PUT", "/api/v1/packs/acme/hello/deprecation", ["owner", "maintainer"]],
  ["PUT", "/api/v1/packs/acme/hello/advisories/ACME-1", ["owner"]],
  ["PUT", "/api/v1/packs/acme/hello/1.0.0/quarantine", []],
  ["GET", TOKENS, ["owner"]],
  ["POST", TOKENS, ["owner"]],
  ["DELETE", `${TOKENS}/${SOME_ID}`, ["owner"]],
  ["GET", TRUSTED, ["owner"]],
  ["POST", TRUSTED, ["owner"]],
  ["DELETE", `${TRUSTED}/${SOME_ID}`, ["owner"]],
];
test.each(ROUTES)("%s %s is for %j", async (method, path, roles) => {
  const statusFor = async (bearer: string | null) =>
    (await registry.send(method, path, bearer)).status;
  for (const role of ["owner", "maintainer", "ci"]) {
    const { token } = await made({ role });
    const status = await statusFor(token);
    if (roles.includes(role)) expect([role, [401, 403].includes(status)]).toEqual([role, false]);
    else expect([role, status]).toEqual([role, 403]);
    // The same route of another publisher.
    const foreign = path.replace("acme", "other");
    expect((await registry.send(method, foreign, token)).status).toBe(403);
  }
  expect(await statusFor(null)).toBe(401);
});

test("a route that writes and demands no right does not start", () => {
  const app = createHttpServer(() => undefined);
  guardRoutes(app, () => Promise.resolve({ role: "operator" }));
  expect(() => app.get("/read", () => "")).not.toThrow();
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    expect(() => app.route({ method, url: "/write", handler: () => "" })).toThrow("no right");
  }
});
