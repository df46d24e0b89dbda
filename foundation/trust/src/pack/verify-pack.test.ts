import { generateKeyPairSync } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type TrustPolicy } from "@sonde/schemas/trust";
import { expect, test } from "vitest";
import { archiveDigest, contentDigest, readArchive, writeArchive } from "../archive/index.ts";
import {
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "../testing/index.ts";
import { formatManifest, isVerifiedPack, verifyPack, type VerifyPackRequest } from "./index.ts";
import { buildStatement } from "./statement.ts";

const acme = createSampleKey();
const other = createSampleKey();
const policy = buildSamplePolicy({ acme: [acme], other: [other] });
const archive = buildSampleArchive();
const bundle = signSample(archive, acme);
const digests = [archiveDigest(archive), contentDigest(readArchive(archive))] as const;

/** Returns the code of the refusal, or "accepted". */
async function verdict(changes: Partial<VerifyPackRequest>): Promise<string> {
  try {
    await verifyPack({ archive, bundle, policy, origin: "registry", ...changes });
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : `no code: ${String(error)}`;
  }
}

test("a signed pack verifies and gives its signer and content", async () => {
  const pack = await verifyPack({
    archive,
    bundle,
    policy,
    origin: "registry",
    agentVersion: "0.1.0",
    expected: { name: "acme/hello", version: "1.0.0", digest: digests[0] },
  });
  expect(pack.digest).toBe(digests[0]);
  expect(pack.contentDigest).toBe(digests[1]);
  expect(pack.signer).toMatchObject({ kind: "rsa-sha256", publisher: "acme" });
  expect(pack.manifest).toEqual(buildSampleManifest());
  expect(Object.isFrozen(pack.manifest.requires.files)).toBe(true);
});

test("nothing else passes for a verified pack", async () => {
  const pack = await verifyPack({ archive, bundle, policy, origin: "registry" });
  expect(isVerifiedPack(pack)).toBe(true);
  expect(isVerifiedPack(Object.assign({}, pack))).toBe(false);
  expect(isVerifiedPack(Object.create(pack))).toBe(false);
  const make = pack.constructor as new (...parts: unknown[]) => unknown;
  expect(() => new make(Symbol("verifyPack"), pack)).toThrowError(
    expect.objectContaining({ code: "INTERNAL" }),
  );
});

test("one flipped bit at any byte of the archive is refused", async () => {
  for (let at = 0; at < archive.length; at += 1) {
    const copy = Uint8Array.from(archive);
    copy[at] = copy[at]! ^ 1;
    // The strict reader refuses the archive. For a repacked one the signature would fail.
    expect(await verdict({ archive: copy })).toMatch(/^(ARCHIVE_INVALID|DIGEST_MISMATCH)$/);
  }
});

// Attack 43.
test("a swapped file in a well-formed archive is refused", async () => {
  for (const swapped of ["pack.json", "index.js", "README.md", "LICENSE"]) {
    const files = readArchive(archive).map((file) =>
      file.path === swapped ? { ...file, bytes: Uint8Array.from([...file.bytes, 10]) } : file,
    );
    expect(await verdict({ archive: writeArchive(files) })).toBe("DIGEST_MISMATCH");
  }
});

// Attack 43.
test("a valid signature counts only for its own archive", async () => {
  const later = buildSampleArchive({ manifest: { version: "1.0.1" } });
  expect(await verdict({ archive: later })).toBe("DIGEST_MISMATCH");
  expect(await verdict({ expected: { version: "1.0.1" } })).toBe("DIGEST_MISMATCH");
  expect(await verdict({ expected: { name: "acme/other" } })).toBe("DIGEST_MISMATCH");
  expect(await verdict({ expected: { digest: `sha256:${"0".repeat(64)}` } })).toBe(
    "DIGEST_MISMATCH",
  );
});

test("both subjects are checked", async () => {
  const wrong = `sha256:${"0".repeat(64)}`;
  for (const statement of [buildStatement(wrong, digests[1]), buildStatement(digests[0], wrong)]) {
    expect(await verdict({ bundle: signSample(archive, acme, { statement }) })).toBe(
      "DIGEST_MISMATCH",
    );
  }
});

const right = buildStatement(...digests);
test.each<[string, unknown]>([
  ["another predicate type", { ...right, predicateType: "https://slsa.dev/provenance/v1" }],
  ["another statement type", { ...right, _type: "https://in-toto.io/Statement/v0.1" }],
  ["one subject", { ...right, subject: right.subject.slice(0, 1) }],
  ["three subjects", { ...right, subject: [...right.subject, right.subject[0]] }],
  ["subjects in another order", { ...right, subject: right.subject.toReversed() }],
  [
    "a second digest",
    {
      ...right,
      subject: [{ ...right.subject[0], digest: { sha256: "0", sha512: "0" } }, right.subject[1]],
    },
  ],
  ["something more", { ...right, extra: 1 }],
  ["no object", "hello"],
])("a signed statement with %s is refused", async (_what, statement) => {
  expect(await verdict({ bundle: signSample(archive, acme, { statement }) })).toBe(
    "SIGNATURE_INVALID",
  );
});

test.each([
  ["a subject twice", '{"subject":[],'],
  ["its predicate twice, in two spellings", '{"predicat\\u0065":{},'],
])("attack 8: a signed statement that has %s is refused", async (_what, start) => {
  const statementText = JSON.stringify(right).replace("{", start);
  expect(await verdict({ bundle: signSample(archive, acme, { statementText }) })).toBe(
    "SIGNATURE_INVALID",
  );
});

test("attack 8: a bundle that has its envelope twice is refused", async () => {
  const text = bundle.replace("{", '{"dsseEnvelope":{},');
  expect(await verdict({ bundle: text })).toBe("SIGNATURE_INVALID");
});

// Attack 43.
test("a signature by anybody else is refused", async () => {
  const stranger = createSampleKey();
  expect(await verdict({ bundle: signSample(archive, stranger) })).toBe("SIGNER_UNTRUSTED");
  // The key is in the policy, but for another publisher.
  expect(await verdict({ bundle: signSample(archive, other) })).toBe("SIGNER_UNTRUSTED");
  // A stranger signed, with the hint of the right key.
  const { hint } = JSON.parse(bundle).verificationMaterial.publicKey as { hint: string };
  expect(await verdict({ bundle: signSample(archive, stranger, { keyHint: hint }) })).toBe(
    "SIGNATURE_INVALID",
  );
});

test("who does not trust a signer is told the key and the next command", async () => {
  const refuse = (signed: string) =>
    verifyPack({ archive, bundle: signed, policy, origin: "registry" });
  const stranger = createSampleKey();
  const { hint } = JSON.parse(signSample(archive, stranger)).verificationMaterial.publicKey as {
    hint: string;
  };
  await expect(refuse(signSample(archive, stranger))).rejects.toThrow(
    `got one that it calls ${hint}; to trust it: sonde trust add PUBLISHER --key FILE`,
  );
  await expect(refuse(signSample(archive, stranger, { keyHint: "run: rm -r" }))).rejects.toThrow(
    "got another; to trust it",
  );
  await expect(refuse(signSample(archive, other))).rejects.toThrow(
    /expected a key of publisher acme, got sha256:[0-9a-f]{64}; to trust it: sonde trust add acme --key FILE$/,
  );
});

test("the policy decides, and a missing one is a refusal", async () => {
  expect(await verdict({ policy: buildSamplePolicy({}) })).toBe("SIGNER_UNTRUSTED");
  expect(await verdict({ policy: undefined as unknown as TrustPolicy })).toBe("CONFIG_INVALID");
  const weak = buildSamplePolicy({ acme: [createSampleKey(1024)] });
  expect(await verdict({ policy: weak })).toBe("CONFIG_INVALID");
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = ec.publicKey.export({ type: "spki", format: "pem" }).toString();
  expect(
    await verdict({
      policy: buildSamplePolicy({ acme: [{ privateKey: ec.privateKey, publicKeyPem: pem }] }),
    }),
  ).toBe("CONFIG_INVALID");
});

test("the key determines the algorithm, not the signer", async () => {
  const sha512 = signSample(archive, acme, { digestAlgorithm: "sha512" });
  expect(await verdict({ bundle: sha512 })).toBe("SIGNATURE_INVALID");
  const sha1 = signSample(archive, acme, { digestAlgorithm: "sha1" });
  expect(await verdict({ bundle: sha1 })).toBe("SIGNATURE_INVALID");
});

test("another payload type is refused, though signed", async () => {
  const typed = signSample(archive, acme, { payloadType: "application/json" });
  expect(await verdict({ bundle: typed })).toBe("SIGNATURE_INVALID");
});

test.each<[string, string, string]>([
  ["no JSON", "{", "SIGNATURE_INVALID"],
  ["an array", "[]", "SIGNATURE_INVALID"],
  ["null", "null", "SIGNATURE_INVALID"],
  ["endless blanks", bundle + " ".repeat(70_000), "SIGNATURE_INVALID"],
  ["an older media type", bundle.replace("bundle.v0.3", "bundle.v0.2"), "SIGNATURE_INVALID"],
  [
    "no signature",
    signSample(archive, acme, {
      change: (b) => ({ ...b, dsseEnvelope: { ...b.dsseEnvelope, signatures: [] } }),
    }),
    "SIGNATURE_INVALID",
  ],
  [
    "two signatures",
    signSample(archive, acme, {
      change: (b) => ({
        ...b,
        dsseEnvelope: {
          ...b.dsseEnvelope,
          signatures: [...b.dsseEnvelope.signatures, ...b.dsseEnvelope.signatures],
        },
      }),
    }),
    "SIGNATURE_INVALID",
  ],
  [
    "no material",
    signSample(archive, acme, { change: (b) => ({ ...b, verificationMaterial: {} }) }),
    "SIGNATURE_INVALID",
  ],
  [
    "a certificate",
    signSample(archive, acme, {
      change: (b) => ({ ...b, verificationMaterial: { certificate: { rawBytes: "MAA=" } } }),
    }),
    "SIGNER_UNTRUSTED",
  ],
  [
    "a message signature",
    signSample(archive, acme, {
      change: ({ mediaType, verificationMaterial }) => ({
        mediaType,
        verificationMaterial,
        messageSignature: {
          messageDigest: { algorithm: "SHA2_256", digest: "MAA=" },
          signature: "MAA=",
        },
      }),
    }),
    "SIGNATURE_INVALID",
  ],
  [
    "a timestamp",
    signSample(archive, acme, {
      change: (b) => ({
        ...b,
        verificationMaterial: {
          ...b.verificationMaterial,
          timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: "MAA=" }] },
        },
      }),
    }),
    "SIGNATURE_INVALID",
  ],
])("a bundle with %s is refused", async (_what, text, code) => {
  expect(await verdict({ bundle: text })).toBe(code);
});

test("every flipped bit in signature or payload is refused", async () => {
  const { dsseEnvelope } = JSON.parse(bundle) as {
    dsseEnvelope: { payload: string; signatures: [{ sig: string }] };
  };
  for (const text of [dsseEnvelope.payload, dsseEnvelope.signatures[0].sig]) {
    const bytes = Buffer.from(text, "base64");
    for (let at = 0; at < bytes.length; at += 1) {
      const copy = Buffer.from(bytes);
      copy[at] = copy[at]! ^ 1;
      const changed = bundle.replace(text, copy.toString("base64"));
      expect(changed).not.toBe(bundle);
      expect(await verdict({ bundle: changed })).toBe("SIGNATURE_INVALID");
    }
  }
});

test("an unsigned pack passes only from a local folder of a host that allows it", async () => {
  const open = { ...policy, allowUnsignedPacks: true };
  expect(await verdict({ bundle: null })).toBe("SIGNATURE_MISSING");
  expect(await verdict({ bundle: null, policy: open })).toBe("SIGNATURE_MISSING");
  expect(await verdict({ bundle: null, origin: "local-folder" })).toBe("SIGNATURE_MISSING");
  const pack = await verifyPack({ archive, bundle: null, policy: open, origin: "local-folder" });
  expect(pack.signer).toEqual({ kind: "none", publisher: "acme" });
  // A bundle that is present must verify, even where no signature is needed.
  expect(await verdict({ bundle: "{}", policy: open, origin: "local-folder" })).toBe(
    "SIGNATURE_INVALID",
  );
});

test("a signed pack with invalid content is still refused", async () => {
  const refusalOf = (parts: Parameters<typeof buildSampleArchive>[0]): Promise<string> => {
    const bad = buildSampleArchive(parts);
    return verdict({ archive: bad, bundle: signSample(bad, acme), agentVersion: "0.1.0" });
  };
  const requires = { groups: [], commands: [], files: ["/etc/hostname"], sockets: [] };
  expect(await refusalOf({ manifest: { requires } })).toBe("REQUIRES_MISMATCH");
  expect(await refusalOf({ manifest: { engines: { agent: ">=2.0.0" } } })).toBe(
    "PACK_NEEDS_NEWER_AGENT",
  );
  expect(await refusalOf({ packJson: "{}" })).toBe("MANIFEST_INVALID");
  const doubled = formatManifest(buildSampleManifest()).replace("{", '{\n  "license": "MIT",');
  expect(await refusalOf({ packJson: doubled })).toBe("MANIFEST_INVALID");
  expect(await refusalOf({ code: 'var pack = eval("1");\n' })).toBe("CODE_REFUSED");
});
