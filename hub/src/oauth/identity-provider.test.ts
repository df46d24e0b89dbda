import { TestIssuer, type TokenLies } from "@sonde/service/testing";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Enterprise-managed authorization: the company's identity provider lets a client in.
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const PERSON = randomUUID();
const CLIENT = "client-of-the-company";
const ID_JAG = { header: { typ: "oauth-id-jag+jwt" } };
let issuer: TestIssuer;
let hub: TestHub;
let origin: string;
let client: ReturnType<typeof createOAuthClient>;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  const at = (path: string, clients: string[]) => ({
    issuer: `${issuer.url}${path}`,
    jwksUri: `${issuer.url}${path}/keys`,
    clients,
  });
  hub = await startHub(
    async ({ sql }) => {
      await sql`insert into people (id, name, role, created_at, sso_issuer, sso_subject)
        values (${PERSON}, 'ada', 'member', now(), ${`${issuer.url}/idp`}, 'ada-at-work')`;
      const metadata = {
        client_id: CLIENT,
        client_name: "Claude",
        redirect_uris: ["https://claude.ai/api/mcp/auth_callback"],
      };
      await sql`insert into oauth_clients (id, metadata, registered_at, registered_from)
        select id, ${sql.json(metadata)} || jsonb_build_object('client_id', id), now(), 'test'
        from unnest(${[CLIENT, "another"]}::text[]) id`;
    },
    {},
    {
      config: {
        oauth: {
          identityProviders: [at("/idp", [CLIENT, "another"]), at("/other", ["another"])],
        },
      },
    },
  );
  origin = `http://localhost:${hub.ready.http}`;
  client = createOAuthClient(origin);
});
afterAll(async () => {
  await hub.close();
  issuer.close();
});

const assert = (claims: object = {}, lies: TokenLies = ID_JAG, path = "/idp"): string =>
  issuer.sign(path, { aud: origin, sub: "ada-at-work", client_id: CLIENT, ...claims }, lies);
const exchange = (assertion: string, form: Record<string, string> = {}) =>
  client.postForm("/oauth/token", { grant_type: GRANT, client_id: CLIENT, assertion, ...form });

test("an assertion of the provider gives a short token for the person, and counts once", async () => {
  const metadata = await fetch(`${origin}/.well-known/oauth-authorization-server`);
  expect(await metadata.json()).toMatchObject({
    grant_types_supported: expect.arrayContaining([GRANT]) as string[],
  });
  const assertion = assert({ scope: "observe manage" });
  const { status, body } = await exchange(assertion);
  expect([status, body["scope"], body["refresh_token"]]).toEqual([200, "observe", undefined]);
  const answer = await fetch(`${origin}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${String(body["access_token"])}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  expect(answer.status).toBe(200);
  expect((await exchange(assertion)).body["error"]).toBe("invalid_grant");
});

test.each<[string, () => string]>([
  ["for another audience", () => assert({ aud: "https://other.example" })],
  ["for another client", () => assert({ client_id: "another" })],
  ["for no client", () => assert({ client_id: undefined })],
  ["of another type: an ID token", () => assert({}, { header: { typ: "JWT" } })],
  ["of a provider that is not configured", () => assert({}, ID_JAG, "/third")],
  ["of a provider that may not let this client in", () => assert({}, ID_JAG, "/other")],
  ["for a person without an account", () => assert({ sub: "eve" })],
  ["that is over", () => assert({ exp: Math.floor(Date.now() / 1000) - 120 })],
  ["without a signature", () => assert({}, { header: { ...ID_JAG.header, alg: "none" } })],
  [
    "signed with a shared secret",
    () => assert({}, { header: { ...ID_JAG.header, alg: "HS256" }, secret: "public" }),
  ],
  ["for another resource", () => assert({ resource: "https://other.example/mcp" })],
])("attack 30: an assertion %s is refused", async (_what, build) => {
  const { status, body } = await exchange(build());
  expect([status, body["access_token"]]).toEqual([400, undefined]);
});

test("a client that no provider may let in has no such grant", async () => {
  const id = await client.registerTerminal();
  const { status, body } = await exchange(assert({ client_id: id }), { client_id: id });
  expect([status, body["access_token"]]).toEqual([400, undefined]);
});

test("a disabled person is nobody", async () => {
  const { sql, ...database } = await hub.openDatabase();
  await sql`update people set disabled_at = now()`;
  await database.close();
  expect((await exchange(assert())).body["error"]).toBe("invalid_grant");
});
