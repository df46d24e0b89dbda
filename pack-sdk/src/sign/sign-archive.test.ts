import { createPublicKey } from "node:crypto";
import { readArchive, writeArchive } from "@sonde/trust/archive";
import { keyIdOf, verifyPack } from "@sonde/trust/pack";
import { buildSampleArchive, buildSamplePolicy } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { createPublisherKey, signArchive } from "./index.ts";

test("the verifier accepts a signed archive and no other", async () => {
  const key = await createPublisherKey();
  expect(createPublicKey(key.publicKeyPem).asymmetricKeyDetails?.modulusLength).toBe(3072);
  expect(keyIdOf(key.privateKey)).toBe(key.keyId);
  const archive = buildSampleArchive();
  const bundle = signArchive(archive, key.privateKey);
  const policy = buildSamplePolicy({ acme: [key] });
  const pack = await verifyPack({ archive, bundle, policy, origin: "registry" });
  expect(pack.signer).toEqual({ kind: "rsa-sha256", publisher: "acme", keyId: key.keyId });
  expect(JSON.parse(bundle)).toMatchObject({
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    dsseEnvelope: { payloadType: "application/vnd.in-toto+json" },
    verificationMaterial: { publicKey: { hint: key.keyId } },
  });
  const other = writeArchive(
    readArchive(archive).map((file) =>
      file.path === "LICENSE" ? { ...file, bytes: Buffer.from("MIT\n") } : file,
    ),
  );
  await expect(
    verifyPack({ archive: other, bundle, policy, origin: "registry" }),
  ).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
});

test("a file that is not an archive is not signed", async () => {
  const { privateKey } = await createPublisherKey();
  expect(() => signArchive(Buffer.from("hello"), privateKey)).toThrowError(
    expect.objectContaining({ code: "ARCHIVE_INVALID" }),
  );
});
