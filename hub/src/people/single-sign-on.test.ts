import { createHash, randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "@sonde/database/testing";
import { TestIssuer, type TokenLies } from "@sonde/service/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askAs, readCookies } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Single sign-on with an identity provider on loopback.
const CLIENT = "sonde-hub";
const SECRET = "a secret of the client";
const OP = "/op";
let issuer: TestIssuer;
let hub: TestHub;
let port: number;
const folder = mkdtempSync(join(tmpdir(), "sonde-sso-"));

const address = (path: string) => `http://localhost:${port}${path}`;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  port = await findFreePort();
  const url = issuer.url + OP;
  issuer.pages.set(`${OP}/.well-known/openid-configuration`, () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/keys`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    authorization_response_iss_parameter_supported: true,
  }));
  // The hub runs as another user, who must be able to enter.
  chmodSync(folder, 0o755);
  const clientSecretFile = join(folder, "secret");
  writeFileSync(clientSecretFile, `${SECRET}\n`, { mode: 0o644 });
  const roles = [
    { group: "sonde-owners", role: "owner" },
    { group: "sonde-auditors", role: "auditor" },
    { group: "staff", role: "member" },
  ];
  hub = await startHub(
    undefined,
    { port },
    {
      config: {
        sso: {
          ...{ name: "the test's provider", issuer: url, clientId: CLIENT, clientSecretFile },
          ...{ address: address(""), roles },
        },
      },
    },
  );
});
afterAll(async () => {
  await hub?.close();
  issuer?.close();
  rmSync(folder, { recursive: true });
});

type Visit = { asked: URLSearchParams; cookie: string };

/** A browser that goes to the provider. */
async function begin(next = "/there"): Promise<Visit> {
  const response = await fetch(address(`/login/sso?next=${encodeURIComponent(next)}`), {
    redirect: "manual",
  });
  const to = new URL(response.headers.get("location") ?? "");
  expect(to.href.startsWith(`${issuer.url}${OP}/authorize?`)).toBe(true);
  return { asked: to.searchParams, cookie: readCookies(response) };
}

type Lies = {
  claims?: object;
  token?: TokenLies;
  answer?: Record<string, string>;
  cookie?: string;
  challenge?: string;
};

/** The provider signs the person in and sends the browser back. */
async function comeBack({ asked, cookie }: Visit, lies: Lies = {}): Promise<Response> {
  const challenge = lies.challenge ?? asked.get("code_challenge");
  issuer.pages.set(`${OP}/token`, (form, headers) => {
    const [, basic = ""] = (headers.authorization ?? "").split("Basic ");
    const client = Buffer.from(basic, "base64").toString().replaceAll("+", " ");
    const verifier = form.get("code_verifier") ?? "";
    const isProven =
      createHash("sha256").update(verifier).digest("base64url") === challenge &&
      form.get("redirect_uri") === address("/login/sso/callback") &&
      decodeURIComponent(client) === `${CLIENT}:${SECRET}`;
    if (!isProven) return { error: "invalid_grant" };
    const claims = {
      ...{ aud: CLIENT, sub: "subject-1", nonce: asked.get("nonce"), preferred_username: "Grace" },
      ...{ groups: ["staff"], auth_time: Math.floor(Date.now() / 1000) - 5 },
      ...lies.claims,
    };
    const idToken = issuer.sign(OP, claims, lies.token);
    return { access_token: "a", token_type: "Bearer", id_token: idToken };
  });
  const answer = new URLSearchParams({
    ...{ code: randomUUID(), state: asked.get("state") ?? "", iss: issuer.url + OP },
    ...lies.answer,
  });
  return await fetch(address(`/login/sso/callback?${answer.toString()}`), {
    redirect: "manual",
    headers: { cookie: lies.cookie ?? cookie, "sec-fetch-site": "cross-site" },
  });
}

const readMe = (response: Response) => askAs(hub, readCookies(response), "GET", "/me");

test("whoever the provider sends back is signed in, with the role of their group", async () => {
  const visit = await begin();
  expect(Object.fromEntries(visit.asked)).toMatchObject({
    ...{ client_id: CLIENT, response_type: "code", code_challenge_method: "S256", max_age: "600" },
    redirect_uri: address("/login/sso/callback"),
  });
  const response = await comeBack(visit);
  expect([response.status, response.headers.get("location")]).toEqual([303, "/there"]);
  const { answer } = await readMe(response);
  expect(answer).toMatchObject({
    ...{ name: "grace", role: "member", methods: ["sso"], hasPassword: false },
    issuer: issuer.url + OP,
  });
  // The same subject is the same person, whose role follows the groups.
  const again = await readMe(
    await comeBack(await begin(), {
      claims: { groups: ["staff", "sonde-auditors"], preferred_username: "Mallory" },
    }),
  );
  expect(again.answer).toMatchObject({ id: answer["id"], name: "grace", role: "auditor" });
});

test.each<[string, Lies]>([
  ["a token without the claim of groups", { claims: { groups: undefined } }],
  ["groups that are no list", { claims: { groups: "staff" } }],
  ["no group that has a role", { claims: { groups: ["others", "staff2", "Staff"] } }],
  ["another nonce", { claims: { nonce: "another" } }],
  ["no nonce", { claims: { nonce: undefined } }],
  ["another audience", { claims: { aud: "another" } }],
  ["another issuer", { claims: { iss: "https://evil.example" } }],
  ["a token that is over", { claims: { exp: 1, iat: 0 } }],
  ["another signature", { token: { secret: "a guess", header: { alg: "HS256" } } }],
  ["no signature", { token: { header: { alg: "none" } } }],
  ["another state", { answer: { state: "another" } }],
  ["another provider's answer", { answer: { iss: "https://evil.example" } }],
  ["a code for another verifier", { challenge: "another" }],
  ["a browser that did not begin", { cookie: "" }],
  ["an error instead of a code", { answer: { error: "access_denied" } }],
])("%s signs nobody in", async (_what, lies) => {
  const response = await comeBack(await begin(), {
    ...lies,
    claims: { sub: "stranger", preferred_username: "stranger", ...lies.claims },
  });
  expect(response.status).toBe(401);
  expect(await response.text()).toContain("SIGN_IN_REFUSED");
  expect(readCookies(response)).not.toMatch(/(^|; )sonde=/);
});

test("an answer of one visit is none of another", async () => {
  const [one, two] = [await begin(), await begin()];
  expect((await comeBack({ ...one, cookie: two.cookie })).status).toBe(401);
});

test("a name never leads to an account: that of another subject is taken", async () => {
  const first = await readMe(
    await comeBack(await begin(), { claims: { sub: "s-2", preferred_username: "linus" } }),
  );
  expect(first.code).toBe(200);
  const response = await comeBack(await begin(), {
    claims: { sub: "s-3", preferred_username: "Linus" },
  });
  expect(response.status).toBe(409);
  expect(await response.text()).toContain("NAME_TAKEN");
});

test("a sign-in of long ago at the provider is no fresh one here", async () => {
  const now = Math.floor(Date.now() / 1000);
  const owner = (time: number | undefined) => async () => {
    const claims = { sub: "s-4", preferred_username: "ada", groups: ["sonde-owners"] };
    const response = await comeBack(await begin(), { claims: { ...claims, auth_time: time } });
    const cookie = readCookies(response);
    return (await askAs(hub, cookie, "POST", "/people/invitations", { role: "member" })).code;
  };
  expect(await owner(now - 60)()).toBe(201);
  expect(await owner(now - 601)()).toBe("SIGN_IN_AGAIN");
  expect(await owner(undefined)()).toBe("SIGN_IN_AGAIN");
});

test("a disabled person does not come back by single sign-on", async () => {
  const claims = { sub: "s-5", preferred_username: "dennis" };
  const { answer, code } = await readMe(await comeBack(await begin(), { claims }));
  expect(code).toBe(200);
  await hub.ask("PATCH", `/people/${String(answer["id"])}`, { disabled: true });
  expect((await comeBack(await begin(), { claims })).status).toBe(401);
});
