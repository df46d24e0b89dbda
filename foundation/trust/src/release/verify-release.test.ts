import { SondeError } from "@sonde/schemas/errors";
import type { ReleaseStatement } from "@sonde/schemas/trust";
import { expect, test } from "vitest";
import { verifyPack } from "../pack/index.ts";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "../testing/index.ts";
import { buildReleaseStatement, verifyRelease } from "./index.ts";

const project = createSampleKey();
const stranger = createSampleKey();
const policy = buildSamplePolicy({ sonde: [project], acme: [stranger] });
const archive = buildSampleArchive();

const artefact = (name: string, version = "0.2.0") => ({
  file: `${name}_${version}_amd64.deb`,
  ...({ name, version, architecture: "amd64", size: 1000 } as const),
  digest: `sha256:${"ab".repeat(32)}`,
});
const right = buildReleaseStatement("0.2.0", [artefact("sonde-agent"), artefact("sonde-hub")]);
const [first, second] = right.subject;

/** Signs a statement and returns how the verifier answers. */
function verdict(statement: unknown, key = project): string {
  return codeOf(() => verifyRelease(signSample(archive, key, { statement }), policy));
}

function codeOf(verify: () => unknown): string {
  try {
    verify();
    return "verified";
  } catch (thrown) {
    if (thrown instanceof SondeError) return thrown.code;
    throw thrown;
  }
}

test("a signed manifest says what the release consists of, and who says so", () => {
  const verified = verifyRelease(signSample(archive, project, { statement: right }), policy);
  expect(verified).toMatchObject({
    version: "0.2.0",
    signer: { kind: "rsa-sha256", publisher: "sonde" },
    artefacts: [artefact("sonde-agent"), artefact("sonde-hub")],
  });
});

// Attack 43.
test("another publisher's key signs no release", () => {
  expect(verdict(right, stranger)).toBe("SIGNER_UNTRUSTED");
  expect(verdict(right, createSampleKey())).toBe("SIGNER_UNTRUSTED");
});

// Attack 43.
test("the signature of a pack is none of a release, and the other way round", async () => {
  expect(verdict(undefined)).toBe("SIGNATURE_INVALID");
  const asPack = { ...right, predicateType: "urn:sonde:predicate:pack:v1" };
  expect(verdict(asPack)).toBe("SIGNATURE_INVALID");
  const bundle = signSample(archive, stranger, { statement: right });
  await expect(verifyPack({ archive, bundle, policy, origin: "registry" })).rejects.toMatchObject({
    code: "SIGNATURE_INVALID",
  });
});

const change = (changes: Partial<ReleaseStatement["predicate"]>) => ({
  ...right,
  predicate: { ...right.predicate, ...changes },
});

test.each<[string, unknown]>([
  ["a file of another version", change({ version: "0.3.0" })],
  ["a file without a digest", { ...right, subject: [first] }],
  ["a digest without a file", change({ artefacts: right.predicate.artefacts.slice(0, 1) })],
  ["digests in another order", { ...right, subject: [second, first] }],
  ["a file twice", { ...right, subject: [first, first] }],
  ["a path", { ...right, subject: [{ ...first, name: "../sonde" }, second] }],
  ["something more", { ...right, extra: 1 }],
])("attack 43: a manifest that lists %s is refused", (_what, statement) => {
  expect(verdict(statement)).toBe("SIGNATURE_INVALID");
});

test("a file that is listed twice, with two digests, is refused", () => {
  const twice = [artefact("sonde-agent"), { ...artefact("sonde-agent"), size: 2 }];
  expect(verdict(buildReleaseStatement("0.2.0", twice))).toBe("SIGNATURE_INVALID");
});

test("one flipped bit at any byte of what is signed is refused", () => {
  const payload = Buffer.from(JSON.stringify(right));
  const answers = new Set<string>();
  for (let at = 0; at < payload.length; at += 1) {
    const changed = Buffer.from(payload);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const bundle = signSample(archive, project, {
      statement: right,
      change: ({ dsseEnvelope, ...rest }) => ({
        ...rest,
        dsseEnvelope: { ...dsseEnvelope, payload: changed.toString("base64") },
      }),
    });
    answers.add(codeOf(() => verifyRelease(bundle, policy)));
  }
  expect([...answers]).toEqual(["SIGNATURE_INVALID"]);
});
