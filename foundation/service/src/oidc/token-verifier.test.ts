import { afterAll, beforeAll, expect, test } from "vitest";
import { TestIssuer, type TokenLies } from "../testing/test-issuer.ts";
import { type TokenVerifier, createTokenVerifier } from "./token-verifier.ts";

const AUDIENCE = "https://service.example";
/** Issuers that fail to serve their keys properly. */
const BROKEN = ["/down", "/page", "/huge", "/elsewhere", "/slow"];
const NOW = Math.floor(Date.now() / 1000);
let issuer: TestIssuer;
let tokens: TokenVerifier<{ issuer: string; jwksUri: string; kind: string }>;
beforeAll(async () => {
  issuer = await TestIssuer.start();
  const at = (path: string) => ({
    issuer: `${issuer.url}${path}`,
    jwksUri: `${issuer.url}${path}/keys`,
    kind: path.slice(1),
  });
  const issuers = [at("/a"), at("/b"), ...BROKEN.map(at)];
  tokens = createTokenVerifier({ audience: AUDIENCE, issuers }, () => new Date());
});
afterAll(() => issuer.close());

const refusal = (code: string) => expect.objectContaining({ code });
const sign = (claims: object = {}, lies: TokenLies = {}, path = "/a"): string =>
  issuer.sign(path, { aud: AUDIENCE, sub: "someone", ...claims }, lies);

test.each(["RS256", "ES256", "EdDSA"])("a token signed with %s verifies", async (alg) => {
  const kid = { RS256: "rsa", ES256: "ec", EdDSA: "ed" }[alg];
  const claims = { jti: "one", iat: NOW, exp: NOW + 60 };
  const verified = await tokens.verify(sign(claims, { header: { alg, kid } }));
  expect(verified.issuer.kind).toBe("a");
  expect(verified.claims.get("sub")).toBe("someone");
  expect(verified.jti).toBe("one");
  // After this time a store of spent tokens may forget the token.
  expect(verified.deadAt.getTime()).toBe((NOW + 60 + 30) * 1000);
});

test("a token is refused an hour after it was issued, however late it expires", async () => {
  const { deadAt } = await tokens.verify(sign({ iat: NOW, exp: NOW + 86_400 }));
  expect(deadAt.getTime()).toBe((NOW + 3600 + 30) * 1000);
});

test.each<[string, () => string]>([
  ["no JWT", () => "a.b.c"],
  ["of an issuer that is not configured", () => sign({}, {}, "/c")],
  [
    "that names another issuer whose keys are the same",
    () => sign({ iss: "https://else.example" }),
  ],
  ["for another audience", () => sign({ aud: "https://other.example" })],
  ["for another audience, in a list", () => sign({ aud: ["https://other.example"] })],
  ["for several audiences", () => sign({ aud: [AUDIENCE, "https://other.example"] })],
  ["that is over", () => sign({ exp: NOW - 60 })],
  ["of this morning with a far end", () => sign({ iat: NOW - 20_000, exp: NOW + 20_000 })],
  ["that is not valid yet", () => sign({ nbf: NOW + 600 })],
  ["without a signature", () => sign({}, { header: { alg: "none" } })],
  ["of an algorithm that is not listed", () => sign({}, { header: { alg: "RS512", kid: "any" } })],
  ["signed with a shared secret", () => sign({}, { header: { alg: "HS256" }, secret: "public" })],
  [
    "signed with another key",
    () => sign({}, { key: issuer.rsa.privateKey, header: { kid: "ec" } }),
  ],
  ["without an id", () => sign({ jti: undefined })],
  ["with an empty id", () => sign({ jti: "" })],
  ["with a claim twice (attack 8)", () => sign({}, { claimsStart: '"sub":"another",' })],
  ["without an end", () => sign({ exp: undefined })],
])("attack 30: a token %s is refused", async (_what, token) => {
  await expect(tokens.verify(token())).rejects.toEqual(refusal("IDENTITY_REFUSED"));
});

test.each(BROKEN)(
  "an issuer that is %s is unavailable, and its tokens are refused",
  async (path) => {
    const token = issuer.sign(path, { aud: AUDIENCE });
    await expect(tokens.verify(token)).rejects.toEqual(refusal("ISSUER_UNAVAILABLE"));
  },
);
