import { generateKeyPairSync } from "node:crypto";
import type {
  ExchangedToken,
  PublishTokenList,
  JobIdentity,
  TrustedPublisher,
  TrustedPublisherList,
} from "@sonde/schemas/registry";
import { TestIssuer, type TokenLies } from "@sonde/service/testing";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

const AUDIENCE = "https://registry.example";
const TRUSTED = "/api/v1/publishers/acme/trusted-publishers";
/** Paths of issuers that fail to give their keys. */
const BROKEN = ["/down", "/page", "/huge", "/elsewhere", "/slow"];
const WORKFLOW = "acme/hello/.github/workflows/release.yml@refs/heads/main";
const GITHUB: JobIdentity = {
  kind: "github",
  repository: "acme/hello",
  repositoryId: "4711",
  workflowRef: WORKFLOW,
  environment: "release",
};
/** GitHub's claims for a job of that workflow. */
const JOB = {
  aud: AUDIENCE,
  sub: "repo:acme/hello:environment:release",
  repository: "acme/hello",
  repository_id: "4711",
  job_workflow_ref: WORKFLOW,
  environment: "release",
};

let issuer: TestIssuer;
let registry: TestRegistry;
let acme: SampleKey;
let owner: string;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  const { url } = issuer;
  const generic = (path: string) => ({
    kind: "generic",
    issuer: `${url}${path}`,
    jwksUri: `${url}${path}/keys`,
  });
  registry = await TestRegistry.start({
    trustedPublishing: {
      audience: AUDIENCE,
      issuers: [
        { kind: "github", issuer: `${url}/github` },
        { kind: "gitlab", issuer: `${url}/gitlab` },
        ...["/generic", ...BROKEN].map(generic),
      ],
    },
  });
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  await registry.addPublisher("other", createSampleKey());
  expect((await trust(GITHUB)).status).toBe(201);
}, 120_000);
afterAll(async () => {
  await registry.close();
  issuer.close();
});

const trust = (identity: JobIdentity, changes: object = {}): Promise<Answer> =>
  registry.send("POST", TRUSTED, owner, {
    pack: "acme/hello",
    issuer: `${issuer.url}/${identity.kind}`,
    identity,
    ...changes,
  });
const exchange = (identityToken: string, pack = "acme/hello"): Promise<Answer> =>
  registry.send("POST", "/api/v1/trusted-publishing/token", null, { pack, identityToken });
const job = (claims: object = {}, lies: TokenLies = {}): string =>
  issuer.sign("/github", { ...JOB, ...claims }, lies);
const publish = (bearer: string, version: string, name = "acme/hello"): Promise<Answer> => {
  const archive = buildSampleArchive({ manifest: { name, version } });
  return registry.publish(signUpload(archive, `${name}/${version}`, acme, bearer));
};
const seconds = (from: number): number => Math.floor(Date.now() / 1000) + from;

test("a pending publisher's first publish needs no secret, and binds it", async () => {
  const list = async () =>
    ((await registry.send("GET", TRUSTED, owner)).body as TrustedPublisherList).trustedPublishers;
  expect(await list()).toMatchObject([{ pack: "acme/hello", identity: GITHUB, boundAt: null }]);
  const { status, body } = await exchange(job());
  expect(status).toBe(201);
  const { token, expiresAt } = body as ExchangedToken;
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(15 * 60 * 1000);
  expect((await publish(token, "1.0.0")).status).toBe(201);
  expect((await list())[0]?.boundAt).not.toBeNull();
});

test("its token publishes that pack only", async () => {
  const { token } = (await exchange(job())).body as ExchangedToken;
  expect(codeOf(await publish(token, "1.0.0", "acme/other"))).toBe("FORBIDDEN");
  const tokens = await registry.send("GET", "/api/v1/publishers/acme/tokens", token);
  expect(codeOf(tokens)).toBe("FORBIDDEN");
  const { body } = await registry.send("GET", "/api/v1/publishers/acme/tokens", owner);
  expect((body as PublishTokenList).tokens[0]).toMatchObject({
    role: "ci",
    pack: "acme/hello",
    actions: ["publish"],
  });
});

test("attack 30: an identity token works once, also under concurrent use", async () => {
  const token = job();
  const answers = await Promise.all([1, 2, 3, 4, 5].map(() => exchange(token)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 401, 401, 401, 401]);
  const later = await exchange(token);
  expect([later.status, codeOf(later)]).toEqual([401, "IDENTITY_REFUSED"]);
});

const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
test.each<[string, object, TokenLies | (() => TokenLies)]>([
  ["for another audience", { aud: "https://other.example" }, {}],
  ["for a longer audience", { aud: `${AUDIENCE}/` }, {}],
  ["for another audience, in a list", { aud: ["https://other.example"] }, {}],
  ["for several audiences", { aud: [AUDIENCE, "https://other.example"] }, {}],
  ["for no audience", { aud: undefined }, {}],
  ["of no issuer", { iss: undefined }, {}],
  ["of an issuer that nobody configured", { iss: "https://evil.example" }, {}],
  ["of another issuer than its keys", { iss: "IRRELEVANT/gitlab" }, {}],
  ["that is over", { iat: seconds(-400), nbf: seconds(-400), exp: seconds(-60) }, {}],
  ["of the future", { iat: seconds(600), nbf: seconds(600), exp: seconds(900) }, {}],
  ["not good yet", { nbf: seconds(600), exp: seconds(900) }, {}],
  ["without an expiry", { exp: undefined }, {}],
  ["with an expiry as text", { exp: String(seconds(300)) }, {}],
  ["without a time of issue", { iat: undefined }, {}],
  ["of this morning with a far expiry", { iat: seconds(-3700), nbf: 0, exp: 9_999_999_999 }, {}],
  ["without an id", { jti: undefined }, {}],
  ["with an empty id", { jti: "" }, {}],
  ["with an id that is no text", { jti: 7 }, {}],
  ["without a signature", {}, { header: { alg: "none" } }],
  ["without a signature, in other letters", {}, { header: { alg: "nOnE" } }],
  [
    "signed with the public key as a secret",
    {},
    () => ({
      header: { alg: "HS256" },
      secret: issuer.rsa.publicKey.export({ type: "spki", format: "pem" }).toString(),
    }),
  ],
  ["of an algorithm that is not listed", {}, { header: { alg: "RS512", kid: "any" } }],
  ["signed by an unknown key", {}, { key: stranger.privateKey }],
  [
    "that brings its own key",
    {},
    {
      key: stranger.privateKey,
      header: { kid: undefined, jwk: stranger.publicKey.export({ format: "jwk" }) },
    },
  ],
  [
    "that says where its key is",
    {},
    () => ({ key: stranger.privateKey, header: { jku: `${issuer.url}/evil` } }),
  ],
  ["of an unknown key", {}, { key: stranger.privateKey, header: { kid: "other" } }],
  ["of a key named as a path", {}, { key: stranger.privateKey, header: { kid: "../../evil" } }],
  ["of a key of another kind", {}, { header: { kid: "ec" } }],
  ["with an unknown critical header", {}, { header: { crit: ["b64"], b64: false } }],
  ["of another repository", { repository: "acme/hell" }, {}],
  ["of a recreated repository of the same name", { repository_id: "4712" }, {}],
  ["of a repository without a number", { repository_id: undefined }, {}],
  ["of another workflow", { job_workflow_ref: WORKFLOW.replace("release", "test") }, {}],
  ["of another branch", { job_workflow_ref: WORKFLOW.replace("main", "mainly") }, {}],
  ["of another case", { repository: "Acme/hello" }, {}],
  ["of another environment", { environment: "test" }, {}],
  ["of no environment", { environment: undefined }, {}],
])("attack 30: an identity token %s is refused", async (_what, claims, lies) => {
  const token = job(
    "iss" in claims && claims.iss === "IRRELEVANT/gitlab"
      ? { ...claims, iss: `${issuer.url}/gitlab` }
      : claims,
    typeof lies === "function" ? lies() : lies,
  );
  const answer = await exchange(token);
  expect([answer.status, codeOf(answer)]).toEqual([401, "IDENTITY_REFUSED"]);
  expect(issuer.asked).not.toContain("/evil");
});

test("an identity token is for one pack of one publisher", async () => {
  for (const pack of ["acme/other", "other/hello", "none/hello"]) {
    const answer = await exchange(job(), pack);
    expect([answer.status, codeOf(answer)]).toEqual([401, "IDENTITY_REFUSED"]);
    // The refusal contains only what the caller sent.
    expect(JSON.stringify(answer.body)).not.toContain("acme/hello/1");
  }
});

test("a refused identity token is not used up", async () => {
  const token = job();
  expect((await exchange(token, "acme/other")).status).toBe(401);
  expect((await exchange(token)).status).toBe(201);
});

test.each([
  ["ec", "ES256"],
  ["ed", "EdDSA"],
])("a key of kind %s verifies its own algorithm", async (kid, alg) => {
  expect((await exchange(job({}, { header: { kid, alg } }))).status).toBe(201);
});

test("a job without an environment is no job with one", async () => {
  await trust({ ...GITHUB, workflowRef: "plain", environment: null });
  const plain = { job_workflow_ref: "plain" };
  expect((await exchange(job({ ...plain, environment: undefined }))).status).toBe(201);
  expect((await exchange(job(plain))).status).toBe(401);
});

test("GitLab: a tag with the branch's name is refused", async () => {
  const identity = { kind: "gitlab", projectPath: "acme/hello", projectId: "9", refType: "branch" };
  expect((await trust({ ...identity, ref: "main" } as JobIdentity)).status).toBe(201);
  const claims = { aud: AUDIENCE, project_path: "acme/hello", project_id: "9", ref: "main" };
  const of = (more: object) => exchange(issuer.sign("/gitlab", { ...claims, ...more }));
  expect((await of({ ref_type: "branch" })).status).toBe(201);
  expect((await of({ ref_type: "tag" })).status).toBe(401);
  expect((await of({ ref_type: "branch", project_id: "10" })).status).toBe(401);
});

test("a generic issuer's subject publishes every pack of the publisher", async () => {
  await trust({ kind: "generic", sub: "deployer" }, { pack: undefined });
  const of = (sub: string, pack: string) =>
    exchange(issuer.sign("/generic", { aud: AUDIENCE, sub }), pack);
  expect((await of("deployer", "acme/anything")).status).toBe(201);
  expect((await of("deployer2", "acme/anything")).status).toBe(401);
  expect((await of("deployer", "other/hello")).status).toBe(401);
});

test.each(BROKEN)("an issuer at %s gives ISSUER_UNAVAILABLE", async (path) => {
  await trust({ kind: "generic", sub: "x" }, { issuer: `${issuer.url}${path}` });
  const answer = await exchange(issuer.sign(path, { aud: AUDIENCE, sub: "x" }));
  expect([answer.status, codeOf(answer)]).toEqual([503, "ISSUER_UNAVAILABLE"]);
});

test("a removed trusted publisher gets no token, and its tokens are revoked", async () => {
  const identity: JobIdentity = { kind: "generic", sub: "leaver" };
  const added = (await trust(identity)).body as TrustedPublisher;
  expect((await trust(identity)).body).toEqual(added);
  const leave = () => exchange(issuer.sign("/generic", { aud: AUDIENCE, sub: "leaver" }));
  const { token } = (await leave()).body as ExchangedToken;
  const removed = await registry.send("DELETE", `${TRUSTED}/${added.id}`, owner);
  expect(removed.status).toBe(200);
  expect((await publish(token, "3.0.0")).status).toBe(401);
  expect((await leave()).status).toBe(401);
  expect(codeOf(await registry.send("DELETE", `${TRUSTED}/${added.id}`, owner))).toBe("NOT_FOUND");
});

test("only owners and the operator add trusted publishers, and only of configured issuers", async () => {
  const wish = { issuer: `${issuer.url}/generic`, identity: { kind: "generic", sub: "y" } };
  const { body } = await registry.operate("POST", "/api/v1/publishers/acme/tokens", {
    role: "maintainer",
    label: "a test",
  });
  const { token } = body as { token: string };
  expect(codeOf(await registry.send("POST", TRUSTED, token, wish))).toBe("FORBIDDEN");
  expect(codeOf(await registry.send("POST", TRUSTED, null, wish))).toBe("UNAUTHENTICATED");
  expect((await registry.operate("POST", TRUSTED, wish)).status).toBe(201);
  const post = (changes: object) => registry.send("POST", TRUSTED, owner, { ...wish, ...changes });
  expect(codeOf(await post({ issuer: "https://evil.example" }))).toBe("BAD_REQUEST");
  expect(codeOf(await post({ issuer: `${issuer.url}/github` }))).toBe("BAD_REQUEST");
  expect(codeOf(await post({ identity: { kind: "generic", sub: "y", repository: "*" } }))).toBe(
    "BAD_REQUEST",
  );
  expect(codeOf(await post({ pack: "other/hello" }))).toBe("FORBIDDEN");
});

test("an issuer over plain HTTP beyond loopback stops the start", async () => {
  const file = `${registry.root}/clear.json`;
  const issuers = [{ kind: "github", issuer: "http://ci.example" }];
  registry.writeConfig(file, { trustedPublishing: { audience: AUDIENCE, issuers } });
  expect((await registry.runToEnd([file])).out).toContain('"code":"CONFIG_INVALID"');
});
