import { execFile } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { RELEASE } from "@sonde/schemas/release";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "@sonde/trust/testing";
import { createTestSigstore, serveSigstore } from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";

// `sonde release` as a separate process.

const program = resolve(import.meta.dirname, "../sonde.ts");
const root = mkdtempSync(join(tmpdir(), "sonde-release-"));
const at = (...parts: string[]): string => join(root, ...parts);
const DEB = `sonde-agent_${RELEASE}_amd64.deb`;
const TAR = `sonde-agent_${RELEASE}_arm64.tar.gz`;
const IMAGE = `sonde-hub_${RELEASE}_amd64.oci.tar`;
const MANIFEST = "sonde-release.sigstore.json";
const project = createSampleKey();
const stranger = createSampleKey();

type Ended = { code: number; out: string; err: string };

const run = (...args: string[]): Promise<Ended> => runWith({}, ...args);

function runWith(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    const words = ["--conditions=sonde:source", "--no-node-snapshot", program, "release", ...args];
    const options = { env: { ...process.env, ...env } };
    const child = execFile(process.execPath, words, options, (_error, out, err) =>
      done({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

/** Verifies with the project's key, and returns the refusal. */
async function refusalOf(path: string, ...more: string[]): Promise<ErrorBody["error"]> {
  const { code, out } = await run("verify", path, "--key", at("key.pub"), "--json", ...more);
  expect(code).toBe(1);
  return (JSON.parse(out) as ErrorBody).error;
}

/** A copy of the signed release that a test can spoil. */
function copyRelease(name: string): string {
  cpSync(at("release"), at(name), { recursive: true });
  return at(name);
}

beforeAll(async () => {
  cpSync(import.meta.filename, at("release", DEB));
  cpSync(program, at("release", TAR));
  cpSync(program, at("release", IMAGE));
  const pem = project.privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(at("key"), pem, { mode: 0o600 });
  writeFileSync(at("key.pub"), project.publicKeyPem);
  writeFileSync(at("stranger.pub"), stranger.publicKeyPem);
  expect(await run("sign", at("release"), "--key", at("key"))).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(root, { recursive: true }));

test("a CI job signs a release by its own identity, and no other job's counts", async () => {
  const sigstore = await createTestSigstore();
  const services = await serveSigstore(sigstore);
  try {
    const folder = copyRelease("keyless");
    writeFileSync(at("root.json"), JSON.stringify(sigstore.trustedRoot));
    const job = "https://github.com/sonde/sonde/.github/workflows/release.yml@refs/tags/v0.1.0";
    const where = ["--fulcio", services.fulcio, "--timestamp", services.timestamp];
    const log = ["--rekor", services.rekor, "--rekor-version", "1"];
    const env = services.ambient({ sub: job, repository_id: "1234" });
    const signed = await runWith(env, "sign", folder, ...where, ...log, "--json");
    expect(signed).toMatchObject({ code: 0, err: "" });
    const expecting = (identity: string) => [
      ...["verify", folder, "--trusted-root", at("root.json")],
      ...["--issuer", services.issuer, "--identity", identity],
      ...["--repository-id", "1234", "--json"],
    ];
    const { code, out } = await run(...expecting(job));
    expect({ code, answer: JSON.parse(out) as object }).toMatchObject({
      code: 0,
      answer: { version: RELEASE, signer: { kind: "keyless", publisher: "sonde" } },
    });
    const refused = await run(...expecting(job.replace("v0.1.0", "v0.1.1")));
    expect(refused.code).toBe(1);
    expect((JSON.parse(refused.out) as ErrorBody).error.code).toBe("SIGNER_UNTRUSTED");
  } finally {
    await services.close();
  }
});

test("a folder and a file of a signed release are genuine, in words and in JSON", async () => {
  const { code, out } = await run("verify", at("release"), "--key", at("key.pub"));
  expect(code).toBe(0);
  expect(out).toContain(`All 3 files are genuine, of release ${RELEASE}\n`);
  const one = await run("verify", at("release", DEB), "--key", at("key.pub"), "--json");
  expect(one.code).toBe(0);
  expect(JSON.parse(one.out)).toMatchObject({
    version: RELEASE,
    signer: { kind: "rsa-sha256", publisher: "sonde" },
    files: [DEB],
    artefacts: [
      { file: DEB, name: "sonde-agent", version: RELEASE, architecture: "amd64" },
      { file: TAR, name: "sonde-agent", architecture: "arm64" },
      { file: IMAGE, name: "sonde-hub", architecture: "amd64" },
    ],
  });
});

test("a host's own policy says who may sign a release", async () => {
  writeFileSync(at("trust.json"), JSON.stringify(buildSamplePolicy({ sonde: [project] })));
  expect(await run("verify", at("release"), "--policy", at("trust.json"))).toMatchObject({
    code: 0,
  });
  writeFileSync(at("other.json"), JSON.stringify(buildSamplePolicy({ acme: [project] })));
  const { code, err } = await run("verify", at("release"), "--policy", at("other.json"));
  expect(code).toBe(1);
  expect(err).toContain("SIGNER_UNTRUSTED: expected a key of publisher sonde");
});

test("without a signer that counts nothing is called genuine", async () => {
  const { code, err } = await run("verify", at("release"));
  expect(code).toBe(1);
  expect(err).toContain("BAD_REQUEST: expected whose signature counts: --key FILE");
});

test("wrong usage ends with 1 as in all of sonde, and says what was expected", async () => {
  expect((await run("verify")).err).toContain("missing required argument 'path'");
  expect(await refusalOf(at("nowhere"))).toMatchObject({ code: "NOT_FOUND" });
  rmSync(join(copyRelease("unsigned"), MANIFEST));
  expect(await refusalOf(at("unsigned"))).toMatchObject({ code: "NOT_FOUND" });
});

// Attack 43.
test("a changed byte is refused, at the same size and at another", async () => {
  const same = copyRelease("changed");
  const bytes = readFileSync(join(same, DEB));
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(join(same, DEB), bytes);
  for (const path of [same, join(same, DEB)]) {
    const { code, message } = await refusalOf(path);
    expect(code).toBe("RELEASE_MISMATCH");
    expect(message).toContain(`${DEB} has other bytes`);
  }
  expect((await run("verify", join(same, TAR), "--key", at("key.pub"))).code).toBe(0);
  const longer = copyRelease("longer");
  appendFileSync(join(longer, DEB), "x");
  expect((await refusalOf(longer)).message).toContain("bytes in place of");
});

// Attack 43.
test("a missing, an additional and a renamed file are refused, and a link is no file", async () => {
  rmSync(join(copyRelease("missing"), TAR));
  expect((await refusalOf(at("missing"))).message).toContain(`${TAR} is missing`);
  writeFileSync(join(copyRelease("more"), "install.sh"), "");
  expect((await refusalOf(at("more"))).message).toContain('"install.sh" is not of this release');
  expect((await refusalOf(at("more", "install.sh"))).code).toBe("RELEASE_MISMATCH");
  const renamed = copyRelease("renamed");
  renameSync(join(renamed, TAR), join(renamed, "kept"));
  renameSync(join(renamed, DEB), join(renamed, TAR));
  expect((await refusalOf(join(renamed, TAR))).code).toBe("RELEASE_MISMATCH");
  const linked = copyRelease("linked");
  rmSync(join(linked, DEB));
  symlinkSync(at("release", DEB), join(linked, DEB));
  expect((await refusalOf(linked)).message).toContain(`${DEB} is no file`);
});

// Attack 44.
test("another release than the wanted one is refused, though genuine", async () => {
  expect((await refusalOf(at("release"), "--release", "9.0.0")).message).toBe(
    `expected release 9.0.0, got the manifest of ${RELEASE}`,
  );
  expect(
    (await run("verify", at("release"), "--key", at("key.pub"), "--release", RELEASE)).code,
  ).toBe(0);
});

// Attack 43.
test("another signer, and the signature of a pack, make no release", async () => {
  const { code, err } = await run("verify", at("release"), "--key", at("stranger.pub"));
  expect(code).toBe(1);
  expect(err).toContain("SIGNER_UNTRUSTED");
  const pack = copyRelease("pack");
  writeFileSync(join(pack, MANIFEST), signSample(buildSampleArchive(), project));
  expect((await refusalOf(pack)).code).toBe("SIGNATURE_INVALID");
});

test("only packages of this release are signed", async () => {
  const mixed = copyRelease("mixed");
  writeFileSync(join(mixed, "sonde-agent_0.0.1_amd64.deb"), "old");
  const { code, err } = await run("sign", mixed, "--key", at("key"));
  expect(code).toBe(1);
  expect(err).toContain(`expected only packages of release ${RELEASE}`);
});
