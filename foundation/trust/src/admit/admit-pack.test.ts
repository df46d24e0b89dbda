import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type AdmitRequest } from "@sonde/schemas/trust";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { archiveDigest } from "../archive/index.ts";
import {
  buildAdmitProgram,
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  createSampleLog,
  type SampleRegistry,
  signSample,
  startSampleRegistry,
} from "../testing/index.ts";
import { createAuthority, openAuthority } from "../ca/index.ts";
import {
  EMPTY_FRONTIER,
  encodeFrontier,
  hashLeaf,
  headOf,
  openCheckpoint,
  parseNoteKey,
  rootFromInclusion,
} from "../log/index.ts";
import { admitPack, admittedFolder, followRegistry, readAdmitted } from "./index.ts";
import { createTestSigstore, signKeylessSample } from "../testing/sigstore/index.ts";

// Every case starts real processes, so cases take long.

const root = mkdtempSync(join(tmpdir(), "sonde-admit-"));
const program = join(root, "admit.cjs");
const key = createSampleKey();
const archive = buildSampleArchive();
const digest = archiveDigest(archive);
const bundle = signSample(archive, key);

// What the registry answers instead of the real file, by path.
let served: Map<
  string,
  {
    status?: number;
    body: Uint8Array | string;
    headers?: Record<string, string>;
  }
>;
let registry: SampleRegistry;
// Bodies that stand for a behaviour.
const ENDLESS = "endless";
const SILENT = "silent";
let storeDir: string;
let request: Omit<AdmitRequest, "op">;

beforeAll(async () => {
  await buildAdmitProgram(program);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(async () => {
  storeDir = join(mkdtempSync(join(root, "case-")), "store");
  registry = await startSampleRegistry();
  registry.publish(archive, bundle);
  served = new Map();
  registry.lie = (incoming, response) => {
    const answer = served.get(incoming.url ?? "");
    if (answer === undefined) return false;
    if (answer.body === SILENT) return true;
    response.writeHead(answer.status ?? 200, answer.headers);
    if (answer.body === ENDLESS) {
      const more = (): void =>
        void (response.writable && response.write(Buffer.alloc(65536), more));
      more();
    } else response.end(answer.body);
    return true;
  };
  request = {
    registry: registry.url,
    name: "acme/hello",
    version: "1.0.0",
    digest,
    policy: buildSamplePolicy({ acme: [key] }),
    log: encodeFrontier(registry.log.frontier),
    agentVersion: "0.1.0",
    storeDir,
  };
});
afterEach(() => registry.close());

const PATH = "/api/v1/packs/acme/hello/1.0.0";
const NONE = { status: 404, body: "{}" };
function serve(archiveBytes: Uint8Array, bundleText: string | null): void {
  served = new Map<string, { status?: number; body: Uint8Array | string }>([
    [`${PATH}/archive`, { body: archiveBytes }],
    [`${PATH}/bundle`, bundleText === null ? NONE : { body: bundleText }],
  ]);
}

function withdraw(): void {
  served = new Map([
    [`${PATH}/archive`, NONE],
    [`${PATH}/bundle`, NONE],
  ]);
}

/** Returns the code of the refusal, and "left something" when a refusal left files on disk. */
async function refusal(changes: Partial<AdmitRequest> = {}, deadlineMs?: number): Promise<string> {
  try {
    await admitPack(program, { ...request, ...changes }, deadlineMs);
    return "accepted";
  } catch (error) {
    if (existsSync(storeDir)) return "left something";
    return error instanceof SondeError ? error.code : "no code";
  }
}

test("a pack is fetched, verified and stored for another user to read", async () => {
  const before = process.umask(0o077);
  const pack = await admitPack(program, request).finally(() => process.umask(before));
  expect(pack).toMatchObject({
    name: "acme/hello",
    version: "1.0.0",
    digest,
    signer: { kind: "rsa-sha256", publisher: "acme" },
  });
  const folder = admittedFolder(storeDir, digest);
  expect(readdirSync(folder).toSorted()).toEqual([
    "LICENSE",
    "README.md",
    "index.js",
    "pack.json",
    "verified.json",
  ]);
  expect(readdirSync(storeDir)).toEqual([digest.slice(7)]);
  for (const path of [storeDir, folder]) expect(statSync(path).mode & 0o777).toBe(0o755);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o644);
  }
  expect(await readAdmitted(storeDir, digest, request.policy)).toEqual(pack);
});

test("repeated and concurrent admits give the same; a damaged pack is replaced, leftovers are removed", async () => {
  const stale = join(storeDir, ".admit-000000000000000000000000");
  mkdirSync(stale, { recursive: true });
  utimesSync(stale, 1000, 1000);
  const packs = await Promise.all([1, 2, 3].map(() => admitPack(program, request)));
  expect(packs[1]).toEqual(packs[0]);
  expect(packs[2]).toEqual(packs[0]);
  writeFileSync(join(admittedFolder(storeDir, digest), "index.js"), "changed");
  expect(await admitPack(program, request)).toEqual(packs[0]);
  expect(await readAdmitted(storeDir, digest, request.policy)).toEqual(packs[0]);
  expect(readdirSync(storeDir)).toEqual([digest.slice(7)]);
});

test("a change on disk after the admission is noticed", async () => {
  await admitPack(program, request);
  const folder = admittedFolder(storeDir, digest);
  const changes: [string, () => void][] = [
    ["index.js", () => writeFileSync(join(folder, "index.js"), "var pack = 1;\n")],
    ["pack.json", () => writeFileSync(join(folder, "pack.json"), "{}\n")],
    ["verified.json", () => writeFileSync(join(folder, "verified.json"), "{}")],
    [
      "a digest",
      () =>
        writeFileSync(
          join(folder, "verified.json"),
          readFileSync(join(folder, "verified.json"), "utf8").replaceAll(
            digest,
            `sha256:${"0".repeat(64)}`,
          ),
        ),
    ],
    ["more", () => writeFileSync(join(folder, "extra.js"), "")],
    ["less", () => rmSync(join(folder, "LICENSE"))],
  ];
  for (const [what, change] of changes) {
    change();
    await expect(readAdmitted(storeDir, digest, request.policy), what).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    await admitPack(program, request);
  }
  rmSync(join(folder, "index.js"));
  symlinkSync("/etc/hostname", join(folder, "index.js"));
  await expect(readAdmitted(storeDir, digest, request.policy)).rejects.toMatchObject({
    code: "ARCHIVE_INVALID",
  });
  await expect(
    readAdmitted(storeDir, `sha256:${"0".repeat(64)}`, request.policy),
  ).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});

test("what shows later that a pack was signed and published is told when it is asked for", async () => {
  const policy = buildSamplePolicy({ acme: [key] }, { logKey: registry.logKey });
  expect(await admitPack(program, request)).not.toHaveProperty("proof");
  // The store keeps none, so that it is fetched again.
  const { proof } = await admitPack(program, { ...request, policy, proves: true });
  expect(proof).toMatchObject({ bundle, publicKey: key.publicKeyPem, log: { index: 0 } });
  const log = proof?.log ?? null;
  if (log === null) throw new TypeError("expected a proof in the log");
  const head = openCheckpoint(log.note, parseNoteKey(registry.logKey));
  const entry = Buffer.from(log.entry, "base64");
  const path = log.path.map((hash) => Buffer.from(hash, "base64"));
  expect(rootFromInclusion(hashLeaf(entry), log.index, head.size, path)).toEqual(head.root);
  expect(JSON.parse(entry.toString())).toMatchObject({ type: "publish", digest });
});

test("a head that lacks the version, or that the log did not sign, proves nothing", async () => {
  const policy = buildSamplePolicy({ acme: [key] }, { logKey: registry.logKey });
  const lacking = registry.log.checkpoint({ frontier: EMPTY_FRONTIER });
  for (const body of [lacking, createSampleLog().checkpoint()]) {
    served = new Map([["/log/checkpoint", { body }]]);
    expect(await refusal({ policy, proves: true })).toBe("REGISTRY_LOG_INCONSISTENT");
  }
});

test("the present policy judges an admitted pack, which is fetched only once", async () => {
  const first = await admitPack(program, request);
  const other = createSampleKey();
  const changed = buildSamplePolicy({ acme: [other] });
  await expect(readAdmitted(storeDir, digest, changed)).rejects.toMatchObject({
    code: "SIGNER_UNTRUSTED",
  });
  await expect(admitPack(program, { ...request, policy: changed })).rejects.toMatchObject({
    code: "SIGNER_UNTRUSTED",
  });
  // After the trusted publisher signs the archive again, the stored record names that signer.
  serve(archive, signSample(archive, other));
  await admitPack(program, { ...request, policy: changed });
  const { signer } = await readAdmitted(storeDir, digest, changed);
  expect(signer).not.toEqual(first.signer);
  // The registry no longer serves the archive. The stored one is enough, as its log entry
  // still exists.
  withdraw();
  expect(await admitPack(program, { ...request, policy: changed })).toMatchObject({ signer });
  for (const wrong of [{ version: "1.0.1" }, { name: "acme/other" }, { agentVersion: "9.0.0" }]) {
    await expect(
      admitPack(program, { ...request, policy: changed, ...wrong }),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
  }
});

test("an unsigned pack from a folder never stands in for a registry's pack", async () => {
  const localPacks = mkdtempSync(join(root, "local-"));
  writeFileSync(join(localPacks, "hello-1.0.0.tgz"), archive);
  const policy = { ...request.policy, allowUnsignedPacks: true };
  await admitPack(program, { ...request, policy: { ...policy, localPacks } });
  withdraw();
  await expect(admitPack(program, { ...request, policy })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
  await expect(readAdmitted(storeDir, digest, request.policy)).rejects.toMatchObject({
    code: "SIGNATURE_MISSING",
  });
});

test("the program verifies a keyless signature against the root in the request", async () => {
  const sigstore = await createTestSigstore();
  const who = { issuer: "https://issuer.example", identity: "https://example.com/acme/hello" };
  serve(archive, await signKeylessSample(sigstore, archive, who));
  const policy = {
    ...request.policy,
    publishers: { acme: { keys: [], identities: [who] } },
    trustedRoot: sigstore.trustedRoot,
  };
  expect(await refusal()).toBe("SIGNER_UNTRUSTED");
  const pack = await admitPack(program, { ...request, policy });
  expect(pack.signer).toMatchObject({ kind: "keyless", ...who, repositoryId: null });
  expect((await readAdmitted(storeDir, digest, policy)).signer).toEqual(pack.signer);
  const { trustedRoot: _root, ...unpinned } = policy;
  await expect(readAdmitted(storeDir, digest, unpinned)).rejects.toMatchObject({
    code: "SIGNER_UNTRUSTED",
  });
});

test("a lying registry's pack is refused and leaves nothing", async () => {
  const flipped = Uint8Array.from(archive);
  flipped[2000] = flipped[2000]! ^ 1;
  serve(flipped, bundle);
  expect(await refusal()).toBe("DIGEST_MISMATCH");
  expect(await refusal({ digest: archiveDigest(flipped) })).toBe("ARCHIVE_INVALID");

  const swapped = buildSampleArchive({ code: "var pack = { evil: 1 };\n" });
  serve(swapped, bundle);
  expect(await refusal()).toBe("DIGEST_MISMATCH");
  expect(await refusal({ digest: archiveDigest(swapped) })).toBe("DIGEST_MISMATCH");

  serve(archive, signSample(archive, createSampleKey()));
  expect(await refusal()).toBe("SIGNER_UNTRUSTED");
  serve(archive, null);
  expect(await refusal()).toBe("SIGNATURE_MISSING");
  expect(await refusal({ policy: { ...request.policy, allowUnsignedPacks: true } })).toBe(
    "SIGNATURE_MISSING",
  );

  const older = buildSampleArchive({ manifest: { version: "0.9.0" } });
  serve(older, signSample(older, key));
  expect(await refusal({ digest: archiveDigest(older) })).toBe("DIGEST_MISMATCH");

  const requires = { groups: [], commands: [], files: [], sockets: [] };
  const lying = buildSampleArchive({ manifest: { requires } });
  serve(lying, signSample(lying, key));
  expect(await refusal({ digest: archiveDigest(lying) })).toBe("REQUIRES_MISMATCH");
});

test("a bad answer of the registry is limited in size and time", async () => {
  served = new Map([[`${PATH}/archive`, { body: ENDLESS }]]);
  expect(await refusal()).toBe("ARCHIVE_INVALID");
  served = new Map([
    [`${PATH}/archive`, { body: archive }],
    [`${PATH}/bundle`, { body: ENDLESS }],
  ]);
  expect(await refusal()).toBe("ARCHIVE_INVALID");
  served = new Map([[`${PATH}/archive`, { body: SILENT }]]);
  expect(await refusal({}, 1000)).toBe("REGISTRY_UNAVAILABLE");
  served = new Map([
    [`${PATH}/archive`, { status: 302, body: "", headers: { location: "/other" } }],
    ["/other", { body: archive }],
    [`${PATH}/bundle`, { body: bundle }],
  ]);
  expect(await refusal()).toBe("REGISTRY_UNAVAILABLE");
  served = new Map([[`${PATH}/archive`, { status: 500, body: "" }]]);
  expect(await refusal()).toBe("REGISTRY_UNAVAILABLE");
  served = new Map([[`${PATH}/archive`, NONE]]);
  expect(await refusal()).toBe("NOT_FOUND");
  expect(await refusal({ registry: "http://127.0.0.1:1" })).toBe("REGISTRY_UNAVAILABLE");
});

test("attack 69: a version that is in no log of others is refused", async () => {
  const before = request.log;
  // A version made for one agent alone: the right key signed it, but no log has it.
  const special = buildSampleArchive({ code: "var pack = { special: 1 };\n" });
  serve(special, signSample(special, key));
  expect(await refusal({ digest: archiveDigest(special) })).toBe("REGISTRY_LOG_INCONSISTENT");
  // The version is published in a fork that was made for this agent.
  const honest = registry.log;
  registry.log = honest.fork();
  registry.publish(special, signSample(special, key));
  served = new Map();
  const forked = encodeFrontier(registry.log.frontier);
  registry.log = honest;
  expect(await refusal({ digest: archiveDigest(special), log: forked })).toBe(
    "REGISTRY_LOG_INCONSISTENT",
  );
  // The version is published after the head that the reader accepted.
  registry.publish(special, signSample(special, key));
  expect(await refusal({ digest: archiveDigest(special), log: before })).toBe(
    "REGISTRY_LOG_INCONSISTENT",
  );
});

test("attack 69: an archive that is stored already still needs its log entry", async () => {
  // A developer's own signed build, which no registry has published.
  const own = buildSampleArchive({ code: "var pack = { own: 1 };\n" });
  const localPacks = mkdtempSync(join(root, "local-"));
  writeFileSync(join(localPacks, "hello-1.0.0.tgz"), own);
  writeFileSync(join(localPacks, "hello-1.0.0.tgz.sigstore.json"), signSample(own, key));
  const asked = { ...request, digest: archiveDigest(own) };
  const policy = { ...request.policy, allowUnsignedPacks: true, localPacks };
  await admitPack(program, { ...asked, policy });
  await expect(admitPack(program, asked)).rejects.toMatchObject({
    code: "REGISTRY_LOG_INCONSISTENT",
  });
});

test("a stripped, moved or false proof is refused", async () => {
  const lies: [string, Uint8Array | string | null][] = [
    [PATH, "{}"],
    [PATH, '{"logIndex":1}'],
    [PATH, '{"logIndex":-1}'],
    [PATH, '{"logIndex":"0"}'],
    [PATH, null],
    ["/log/tile/entries/000.p/1", null],
    ["/log/tile/entries/000.p/1", Buffer.from("00026162", "hex")],
  ];
  for (const [path, body] of lies) {
    served = new Map([[path, body === null ? NONE : { body }]]);
    expect([path, body, await refusal()]).toEqual([path, body, "REGISTRY_LOG_INCONSISTENT"]);
  }
  expect(await refusal({ log: { size: 1, frontier: "" } })).toBe("REGISTRY_LOG_INCONSISTENT");
  expect(await refusal({ log: null })).toBe("BAD_REQUEST");
});

test("the program follows a log entry by entry", async () => {
  const quarantine = {
    type: "quarantine",
    at: "2026-01-02T00:00:00.000Z",
    name: "acme/hello",
    version: "1.0.0",
    quarantined: true,
    reason: "malware",
  } as const;
  registry.append(quarantine);
  const ask = {
    registry: registry.url,
    logKey: registry.logKey,
    from: encodeFrontier(EMPTY_FRONTIER),
    seen: [],
  };
  const types: string[] = [];
  const log = await followRegistry(program, ask, ({ entry, head }) => {
    types.push(`${entry.type} ${head.size}`);
  });
  expect(types).toEqual(["publish 1", "quarantine 2"]);
  expect(log.head).toEqual(headOf(registry.log.frontier));
  expect(log.place).toEqual(encodeFrontier(registry.log.frontier));
  const refuse = (changes: Partial<typeof ask>): Promise<string> =>
    followRegistry(program, { ...ask, ...changes }, () => undefined).then(
      () => "accepted",
      (error: unknown) => (error instanceof SondeError ? error.code : String(error)),
    );
  served = new Map([["/log/checkpoint", NONE]]);
  expect(await refuse({})).toBe("REGISTRY_LOG_INCONSISTENT");
  served = new Map([["/log/tile/entries/000.p/2", { body: ENDLESS }]]);
  expect(await refuse({})).toBe("ARCHIVE_INVALID");
  served = new Map();
  expect(await refuse({ registry: "http://127.0.0.1:1" })).toBe("REGISTRY_UNAVAILABLE");
  // An invalid log entry makes the whole log invalid.
  registry.log.append(Buffer.from('{"type":"other"}'));
  expect(await refuse({})).toBe("REGISTRY_LOG_INCONSISTENT");
});

test("a request without policy or digest is refused", async () => {
  const { policy: _policy, ...rest } = request;
  expect(await refusal({ policy: undefined as never })).toBe("BAD_REQUEST");
  await expect(admitPack(program, rest as typeof request)).rejects.toMatchObject({
    code: "BAD_REQUEST",
  });
  expect(await refusal({ log: null })).toBe("BAD_REQUEST");
  expect(await refusal({ name: "acme/../../etc" })).toBe("BAD_REQUEST");
});

test("an author's own folder may hold unsigned packs if the host allows it and nobody else can write there", async () => {
  const localPacks = mkdtempSync(join(root, "local-"));
  const path = join(localPacks, "hello-1.0.0.tgz");
  const closed = { ...request.policy, localPacks };
  const open = { ...closed, allowUnsignedPacks: true };
  const own = buildSampleArchive({ code: "var pack = { own: 1 };\n" });
  const asked = { digest: null, log: null };
  expect(await refusal({ ...asked, policy: open })).toBe("NOT_FOUND");
  symlinkSync(join(root, "elsewhere.tgz"), path);
  writeFileSync(join(root, "elsewhere.tgz"), own);
  expect(await refusal({ ...asked, policy: open })).toBe("ARCHIVE_INVALID");
  rmSync(path);
  writeFileSync(path, own);
  expect(await refusal({ ...asked, policy: closed })).toBe("NOT_FOUND");
  for (const writable of [path, localPacks]) {
    const { mode } = statSync(writable);
    chmodSync(writable, 0o777);
    expect(await refusal({ ...asked, policy: open })).toBe("CONFIG_INVALID");
    chmodSync(writable, mode);
  }
  const unsigned = await admitPack(program, { ...request, ...asked, policy: open });
  expect(unsigned.signer).toEqual({ kind: "none", publisher: "acme" });
  // Another digest is another archive, which only the registry has.
  const published = await admitPack(program, { ...request, policy: open });
  expect(published).toMatchObject({ digest, signer: { kind: "rsa-sha256" } });
});

test("a signature beside an author's own archive is verified", async () => {
  const localPacks = mkdtempSync(join(root, "local-"));
  const policy = { ...request.policy, allowUnsignedPacks: true, localPacks };
  writeFileSync(join(localPacks, "hello-1.0.0.tgz"), archive);
  const bundlePath = join(localPacks, "hello-1.0.0.tgz.sigstore.json");
  writeFileSync(bundlePath, signSample(archive, createSampleKey()));
  withdraw();
  expect(await refusal({ policy })).toBe("SIGNER_UNTRUSTED");
  writeFileSync(bundlePath, bundle);
  const { signer } = await admitPack(program, { ...request, policy });
  expect(signer.kind).toBe("rsa-sha256");
});

test("a program that answers nothing, too much or nonsense gives an error, not a pack", async () => {
  const answer = async (body: string, deadlineMs?: number): Promise<unknown> => {
    const path = join(root, "other.cjs");
    writeFileSync(path, body);
    return await admitPack(path, request, deadlineMs).catch((error: unknown) => error);
  };
  expect(await answer("")).toMatchObject({ code: "INTERNAL" });
  expect(await answer("setInterval(() => {}, 1000)", 500)).toMatchObject({
    code: "REGISTRY_UNAVAILABLE",
  });
  expect(await answer("console.log('{}')")).toMatchObject({ code: "INTERNAL" });
  expect(await answer("setInterval(() => console.log('x'.repeat(1e6)), 1)")).toMatchObject({
    code: "INTERNAL",
  });
  expect(
    await answer(
      "console.log(JSON.stringify({ ok: false, error: { code: 'FORBIDDEN', message: Object.keys(process.env).join() } }))",
    ),
  ).toMatchObject({ code: "FORBIDDEN", message: "" });
});

test("a store that cannot be written gives one clear sentence", async () => {
  const file = join(root, "a-file");
  writeFileSync(file, "");
  expect(await refusal({ storeDir: join(file, "store") })).toBe("RIGHT_MISSING");
});

test("a registry is asked only where its certificate is the policy's authority's", async () => {
  const own = await createAuthority("own", new Date());
  const other = await createAuthority("other", new Date());
  const issued = await (await openAuthority(own, () => new Date())).issueServerCertificate([
    "127.0.0.1",
  ]);
  await registry.close();
  registry = await startSampleRegistry(issued);
  registry.publish(archive, bundle);
  const log = encodeFrontier(registry.log.frontier);
  const changes = { registry: registry.url, log };
  expect(await refusal(changes)).toBe("REGISTRY_UNAVAILABLE");
  expect(await refusal({ ...changes, registryCa: other.certificate })).toBe("REGISTRY_UNAVAILABLE");
  const admitted = await admitPack(program, {
    ...request,
    ...changes,
    registryCa: own.certificate,
  });
  expect(admitted.digest).toBe(digest);
});
