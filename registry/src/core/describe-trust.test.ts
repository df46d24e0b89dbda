import { createSampleKey } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { describeTrust } from "./describe-trust.ts";

const keyless = {
  ...{ kind: "keyless" as const, publisher: "acme", issuer: "https://issuer.example" },
  ...{ identity: "https://example.com/a", signedAt: "2026-11-29T00:00:00.000Z" },
};
const managed = {
  kind: "rsa-sha256" as const,
  publisher: "acme",
  keyId: `sha256:${"0".repeat(64)}`,
};

test("an identity is trusted with its repository's number if the certificate has one, and only then", () => {
  const { issuer, identity } = keyless;
  expect(describeTrust({ ...keyless, repositoryId: "7" }, null)).toEqual({
    ...{ keys: [], identities: [{ issuer, identity, repositoryId: "7" }] },
  });
  expect(describeTrust({ ...keyless, repositoryId: null }, null)).toEqual({
    ...{ keys: [], identities: [{ issuer, identity }] },
  });
});

test("a key is trusted as it was registered, and one that is not known is not made up", () => {
  const { publicKeyPem } = createSampleKey();
  const trust = { keys: [{ algorithm: "rsa-sha256", publicKey: publicKeyPem }], identities: [] };
  expect(describeTrust(managed, publicKeyPem)).toEqual(trust);
  expect(describeTrust(managed, null)).toBeNull();
  expect(describeTrust({ kind: "none", publisher: "acme" }, publicKeyPem)).toBeNull();
});
