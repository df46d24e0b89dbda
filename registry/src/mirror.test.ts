import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { deflateRawSync, gunzipSync } from "node:zlib";
import {
  type ImportReport,
  type PackList,
  type RegistryEntry,
  parseImportReport,
} from "@sonde/schemas/registry";
import { archiveDigest, contentDigest, readArchive } from "@sonde/trust/archive";
import {
  CHECKPOINT,
  EXPORT_END,
  type ExportMember,
  TRUSTED_ROOT,
  archiveMember,
  bundleMember,
  encodeMember,
  entriesMember,
} from "@sonde/trust/export";
import { canonicalJson } from "@sonde/trust/canonical-json";
import { createSigningKey } from "@sonde/trust/envelope";
import {
  EMPTY_FRONTIER,
  appendLeaf,
  encodeEntries,
  followLog,
  hashLeaf,
  openCheckpoint,
  parseNoteKey,
  rootOf,
  signCheckpoint,
  tilePath,
} from "@sonde/trust/log";
import {
  type SampleKey,
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
} from "@sonde/trust/testing";
import { createTestSigstore } from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

// A mirror that is filled by hand with another registry's data.

type Member = { member: ExportMember; bytes: Uint8Array };

let upstream: TestRegistry;
let mirror: TestRegistry;
let acme: SampleKey;
let token: string;

beforeAll(async () => {
  upstream = await TestRegistry.start({ logName: "upstream.example/log" });
  acme = createSampleKey();
  token = await upstream.addPublisher("acme", acme);
  await publish("acme/hello", "1.0.0");
  await publish("acme/hello", "1.1.0");
  await publish("acme/other", "0.1.0");
  await upstream.send("PUT", "/api/v1/packs/acme/hello/1.0.0/yank", token, {
    yanked: true,
    reason: "Counts wrongly.",
  });
  await upstream.send("PUT", "/api/v1/packs/acme/hello/advisories/ACME-1", token, {
    range: "<1.1.0",
    severity: "high",
    text: "Install 1.1.0.",
    withdrawn: false,
  });
  mirror = await startMirror();
}, 120_000);
afterAll(async () => {
  await Promise.all([upstream?.close(), mirror?.close()]);
});

const startMirror = () => TestRegistry.start({ mirror: { logKey: upstream.logKey } });

async function publish(name: string, version: string): Promise<Answer> {
  const archive = buildSampleArchive({ manifest: { name, version }, readme: `# ${name} zebra\n` });
  return await upstream.publish(signUpload(archive, `${name}/${version}`, acme, token));
}

const quarantine = (version: string, quarantined: boolean) =>
  upstream.operate("PUT", `/api/v1/packs/acme/hello/${version}/quarantine`, {
    quarantined,
    reason: "It was tampered with.",
  });

async function fetchBytes(registry: TestRegistry, path: string): Promise<Buffer> {
  const response = await fetch(registry.at(path));
  expect([path, response.status]).toEqual([path, 200]);
  return Buffer.from(await response.arrayBuffer());
}

/** Returns the members of an export of the upstream's current state. */
async function exportMembers(without: (entry: RegistryEntry) => boolean = () => false) {
  const note = await fetchBytes(upstream, "/log/checkpoint");
  const members: Member[] = [{ member: CHECKPOINT, bytes: note }];
  const packs: Member[] = [];
  await followLog({
    key: parseNoteKey(upstream.logKey),
    from: EMPTY_FRONTIER,
    readCheckpoint: async () => note.toString(),
    async readTile(id) {
      const bytes = await fetchBytes(upstream, `/log/${tilePath(id)}`);
      members.push({ member: entriesMember(id), bytes });
      return bytes;
    },
    seen: [],
    now: new Date(),
    async onEntry(bytes) {
      const entry = JSON.parse(Buffer.from(bytes).toString()) as RegistryEntry;
      if (entry.type !== "publish" || without(entry)) return;
      const path = `/api/v1/packs/${entry.name}/${entry.version}`;
      packs.push(
        {
          member: archiveMember(entry.digest),
          bytes: await fetchBytes(upstream, `${path}/archive`),
        },
        { member: bundleMember(entry.digest), bytes: await fetchBytes(upstream, `${path}/bundle`) },
      );
    },
  });
  return [...members, ...packs];
}

/** Builds an export with a changed log or date, signed by the upstream's own key. */
function resign(
  members: readonly Member[],
  change: (entries: Buffer[]) => Buffer[] = (entries) => entries,
  { at = new Date(), privateKey = upstreamKey() } = {},
): Member[] {
  const key = parseNoteKey(upstream.logKey);
  const tile = members.find(({ member }) => member.name.startsWith("tile/"));
  const entries = change(splitEntries(tile?.bytes));
  const frontier = entries.reduce(
    (tree, entry) => appendLeaf(tree, hashLeaf(entry)),
    EMPTY_FRONTIER,
  );
  const head = { size: entries.length, root: rootOf(frontier) };
  const note = signCheckpoint(
    head,
    key,
    createSigningKey(privateKey, createPublicKey(privateKey)),
    at,
  );
  const id = { level: null, index: 0, width: entries.length };
  return [
    { member: CHECKPOINT, bytes: Buffer.from(note) },
    { member: entriesMember(id), bytes: encodeEntries(entries) },
    ...members.filter(({ member }) => /^(archives|bundles)/.test(member.name)),
  ];
}
const upstreamKey = () => createPrivateKey(readFileSync(join(upstream.dataDir, "log.key")));

const encode = (members: readonly Member[]): Buffer =>
  Buffer.concat([...members.map(({ member, bytes }) => encodeMember(member, bytes)), EXPORT_END]);

/** Sends an import as the operator's command does. */
function send(registry: TestRegistry, content: Readable): Promise<Answer> {
  const socketPath = join(registry.dataDir, "run/operator.sock");
  const headers = { "content-type": "application/x-tar" };
  return new Promise((done, fail) => {
    const call = request({ socketPath, path: "/import", method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        content.destroy();
        call.destroy();
        done({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
      });
    });
    call.on("error", fail);
    content.pipe(call);
  });
}
const importInto = (registry: TestRegistry, bytes: Uint8Array): Promise<Answer> =>
  send(registry, Readable.from([bytes]));

async function importWell(registry: TestRegistry, members: readonly Member[]) {
  const { status, body } = await importInto(registry, encode(members));
  expect([status, body]).toEqual([200, expect.anything()]);
  return parseImportReport(body);
}

const sumsOf = ({ imported, present, quarantined }: ImportReport) => [
  imported,
  present,
  quarantined,
];
/** Returns what lists show, without downloads, which are counted with a delay. */
async function latestOf(registry: TestRegistry): Promise<string[]> {
  const { packs } = (await registry.read("/api/v1/packs")).body as PackList;
  return packs.map(({ name, latest }) => `${name} ${latest}`);
}
const archivesOf = (registry: TestRegistry) => readdirSync(join(registry.dataDir, "archives"));

test("before the first import a mirror is empty, and raises no alarm", async () => {
  expect((await mirror.read("/api/v1/packs")).body).toEqual({ packs: [], cursor: null });
  const response = await fetch(mirror.at("/log/checkpoint"));
  expect(response.status).toBe(503);
  expect(existsSync(join(mirror.dataDir, "log.key"))).toBe(false);
});

test("a mirror answers as its upstream did at the export", async () => {
  const members = await exportMembers();
  const report = await importWell(mirror, members);
  expect([report.head.size, sumsOf(report), report.trustedRoot]).toEqual([5, [3, 0, 0], null]);
  expect(await fetchBytes(mirror, "/log/checkpoint")).toEqual(members[0]?.bytes);
  const same = [
    "/log/key",
    "/log/tile/entries/000.p/5",
    "/log/tile/0/000.p/5",
    "/index/acme/hello",
    "/api/v1/packs/acme/hello/1.0.0/archive",
    "/api/v1/packs/acme/hello/1.1.0/archive",
    "/api/v1/packs/acme/hello/1.1.0/bundle",
    "/api/v1/packs/acme/other/0.1.0/bundle",
  ];
  for (const path of same) {
    expect([path, await fetchBytes(mirror, path)]).toEqual([
      path,
      await fetchBytes(upstream, path),
    ]);
  }
  // A mirror does not know what is not in the log.
  const unsaid = (body: unknown) => {
    const text = JSON.stringify(body)
      .replaceAll(`"by":"publisher"`, `"by":"unknown"`)
      // Downloads are counted with a delay, by each registry for itself.
      .replaceAll(/"downloads":[0-9]+/g, `"downloads":0`);
    // It has no keys of publishers, so it offers none to trust.
    return { ...(JSON.parse(text) as object), checks: null, downloads: null, trust: null };
  };
  const alike = [
    "/api/v1/packs?limit=10",
    "/api/v1/packs/acme/hello",
    "/api/v1/packs/acme/hello/1.0.0",
    "/api/v1/packs/acme/hello/1.0.0/details",
    "/api/v1/search?q=zebra",
  ];
  for (const path of alike) {
    const [got, expected] = [await mirror.read(path), await upstream.read(path)];
    const sorted = (answer: Answer) => (path.includes("search") ? null : unsaid(answer.body));
    expect([path, got.status, sorted(got)]).toEqual([path, 200, sorted(expected)]);
  }
  const { body } = await mirror.read("/api/v1/packs/acme/hello/1.0.0/details");
  expect(body).toMatchObject({ trust: null });
  expect((await mirror.read("/api/v1/publishers/acme")).body).toMatchObject({
    ...{ since: null, keys: [], packs: 2, signed: [{ isListed: false }] },
  });
  const found = (await mirror.read("/api/v1/search?q=zebra")).body as { packs: { name: string }[] };
  expect(found.packs.map(({ name }) => name).toSorted()).toEqual(["acme/hello", "acme/other"]);
});

test("a repeated import changes nothing but a damaged bundle", async () => {
  const members = await exportMembers();
  const spoilt = members.map(({ member, bytes }) => ({
    member,
    bytes: member.name.startsWith("bundles/") ? Buffer.from("{}") : bytes,
  }));
  const path = "/api/v1/packs/acme/hello/1.1.0/bundle";
  await importWell(mirror, spoilt);
  expect((await fetchBytes(mirror, path)).toString()).toBe("{}");
  expect(sumsOf(await importWell(mirror, members))).toEqual([0, 3, 0]);
  expect(await fetchBytes(mirror, path)).toEqual(await fetchBytes(upstream, path));
});

test("an import updates a pack that was read before", async () => {
  await importWell(mirror, await exportMembers());
  const path = "/api/v1/packs/acme/other/0.1.0";
  expect((await mirror.read(path)).body).toMatchObject({ state: { quarantined: null } });
  const stop = { quarantined: true, reason: "It was tampered with." };
  const route = `${path}/quarantine`;
  expect((await upstream.operate("PUT", route, stop)).status).toBe(200);
  await importWell(mirror, await exportMembers(({ name }) => name === "acme/other"));
  const { quarantined } = { quarantined: stop.reason };
  expect((await mirror.read(path)).body).toMatchObject({ state: { quarantined } });
  await upstream.operate("PUT", route, { ...stop, quarantined: false });
});

test("a newer export continues from there, with or without the archives that are there", async () => {
  await publish("acme/hello", "1.2.0");
  expect((await quarantine("1.1.0", true)).status).toBe(200);
  // A quarantined version is not served, so an export cannot have it either.
  await publish("acme/hello", "1.3.0");
  expect((await quarantine("1.3.0", true)).status).toBe(200);
  const isStopped = (entry: RegistryEntry) =>
    "version" in entry && ["1.1.0", "1.3.0"].includes(entry.version);
  expect(sumsOf(await importWell(mirror, await exportMembers(isStopped)))).toEqual([1, 3, 1]);
  expect((await mirror.read("/api/v1/packs/acme/hello/1.1.0/archive")).status).toBe(410);
  expect((await mirror.read("/api/v1/packs/acme/hello/1.3.0")).status).toBe(404);

  expect((await quarantine("1.3.0", false)).status).toBe(200);
  // Only what is missing: the version that was released from quarantine.
  const missing = await exportMembers(({ type, ...entry }) => {
    return type === "publish" && !("version" in entry && entry.version === "1.3.0");
  });
  expect(sumsOf(await importWell(mirror, missing))).toEqual([1, 4, 0]);
  expect((await mirror.read("/api/v1/packs/acme/hello/1.3.0")).status).toBe(200);
  expect((await quarantine("1.1.0", false)).status).toBe(200);
});

describe("an import keeps a whole file or nothing", () => {
  let members: Member[];
  let before: unknown;
  const state = async () => ({
    checkpoint: (await fetchBytes(mirror, "/log/checkpoint")).toString(),
    packs: await latestOf(mirror),
    archives: archivesOf(mirror),
  });

  beforeAll(async () => {
    await importWell(mirror, await exportMembers());
    await publish("acme/new", "1.0.0");
    await publish("acme/new", "1.1.0");
  });
  beforeEach(async () => {
    members = await exportMembers();
    before = await state();
  });

  const refused = async (bytes: Uint8Array): Promise<string> => {
    const answer = await importInto(mirror, bytes);
    expect(await state()).toEqual(before);
    return codeOf(answer);
  };
  test("another log's export is refused", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    // With the name and key ID of the upstream's key, and with its own.
    const forged = resign(members, undefined, { privateKey });
    expect(await refused(encode(forged))).toBe("REGISTRY_LOG_INCONSISTENT");
    const own = { name: "upstream.example/log", publicKey };
    const note = signCheckpoint(
      { size: 0, root: rootOf(EMPTY_FRONTIER) },
      own,
      createSigningKey(privateKey, publicKey),
      new Date(),
    );
    const other = [{ member: CHECKPOINT, bytes: Buffer.from(note) }, ...members.slice(1)];
    expect(await refused(encode(other))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("a changed entry does not lead to the signed head", async () => {
    const changed = members.map(({ member, bytes }) => {
      if (!member.name.startsWith("tile/")) return { member, bytes };
      const text = Buffer.from(bytes).toString("latin1");
      return { member, bytes: Buffer.from(text.replace("acme/new", "acme/old"), "latin1") };
    });
    expect(await refused(encode(changed))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("a history that was rewritten, forked or cut short is refused", async () => {
    const earlier = (JSON.parse(JSON.stringify(before)) as { checkpoint: string }).checkpoint;
    const { size } = openCheckpoint(earlier, parseNoteKey(upstream.logKey));
    const rewritten = resign(members, (entries) =>
      entries.map((entry) =>
        Buffer.from(entry.toString().replace("Counts wrongly", "Counts badly")),
      ),
    );
    expect(await refused(encode(rewritten))).toBe("REGISTRY_LOG_INCONSISTENT");
    const forked = resign(members, (entries) => [
      ...entries.slice(0, size - 1),
      ...entries.slice(size),
    ]);
    expect(await refused(encode(forked))).toBe("REGISTRY_LOG_INCONSISTENT");
    const short = resign(members, (entries) => entries.slice(0, size - 1));
    expect(await refused(encode(short))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test("an archive with another digest than its entry is refused", async () => {
    const last = members.at(-2) as Member;
    const other = buildSampleArchive({ manifest: { name: "acme/new", version: "1.0.0" } });
    for (const wrong of [other, compress(last.bytes)]) {
      const lied = members.map((each) => (each === last ? { ...last, bytes: wrong } : each));
      expect(await refused(encode(lied))).toBe("DIGEST_MISMATCH");
    }
  });

  test("an entry with another version than its archive is refused", async () => {
    const archive = buildSampleArchive({ manifest: { name: "acme/new", version: "9.9.9" } });
    const digest = archiveDigest(archive);
    const last = splitEntries(members[1]?.bytes).at(-1)?.toString() ?? "";
    const entry = { ...(JSON.parse(last) as object), digest, version: "1.2.0" };
    const refusal = (promised: object) => {
      const lied = resign(members, (entries) => [...entries, Buffer.from(canonicalJson(promised))]);
      lied.push(
        { member: archiveMember(digest), bytes: archive },
        { member: bundleMember(digest), bytes: Buffer.from("{}") },
      );
      return refused(encode(lied));
    };
    // The content digest in the entry is the other version's.
    expect(await refusal(entry)).toBe("DIGEST_MISMATCH");
    const content = contentDigest(readArchive(archive));
    expect(await refusal({ ...entry, contentDigest: content })).toBe("MANIFEST_INVALID");
  });

  test("a log that publishes a version twice is refused, and the earlier state stays", async () => {
    const [first = Buffer.alloc(0)] = splitEntries(members[1]?.bytes);
    const { digest } = JSON.parse(first.toString()) as { digest: string };
    const hex = digest.slice("sha256:".length);
    const again = members.filter(({ member }) => member.name.includes(hex));
    expect(again).toHaveLength(2);
    const twice = resign(members, (entries) => [...entries, first]);
    expect(await refused(encode([...twice, ...again]))).toBe("REGISTRY_LOG_INCONSISTENT");
  });

  test.each<[string, (all: Member[]) => Member[]]>([
    ["an archive left out", (all) => all.filter((_, place) => place < all.length - 2)],
    ["a bundle left out", (all) => all.slice(0, -1)],
    ["the log left out", (all) => all.filter(({ member }) => !member.name.startsWith("tile/"))],
    ["the head left out", (all) => all.slice(1)],
    ["an archive twice", (all) => [...all, ...all.slice(-2)]],
    ["another order", (all) => [...all.slice(0, -4), ...all.slice(-2), ...all.slice(-4, -2)]],
    [
      "one more archive",
      (all) => [
        ...all,
        { member: archiveMember(`sha256:${"0".repeat(64)}`), bytes: buildSampleArchive() },
      ],
    ],
    [
      "a name that climbs",
      (all) => [
        ...all.slice(0, -2),
        { member: { name: "../../log.key", maxBytes: 0 }, bytes: Buffer.from("x") },
      ],
    ],
    [
      "an invalid trusted root",
      (all) => [
        ...all.slice(0, 1),
        { member: TRUSTED_ROOT, bytes: Buffer.from("{}") },
        ...all.slice(1),
      ],
    ],
    [
      "a bundle that is no text",
      (all) =>
        all.map(({ member, bytes }, place) => ({
          member,
          bytes: place === all.length - 1 ? Buffer.from([123, 0, 125]) : bytes,
        })),
    ],
  ])("%s", async (_what, change) => {
    expect(await refused(encode(change(members)))).toBe("EXPORT_INVALID");
  });

  test("a file truncated at any point", async () => {
    const whole = encode(members);
    for (const length of [0, 100, 512, 1000, whole.length - 1024, whole.length - 512]) {
      expect(await refused(whole.subarray(0, length))).toBe("EXPORT_INVALID");
    }
  });

  test("an endless stream is refused early", async () => {
    const endless = Readable.from(
      (function* () {
        yield encode(members).subarray(0, -1024);
        for (;;) yield Buffer.alloc(64 * 1024, 1);
      })(),
    );
    expect(codeOf(await send(mirror, endless))).toBe("EXPORT_INVALID");
    expect(await state()).toEqual(before);
  });

  test("a full disk keeps the earlier state, without new archives", async () => {
    const folder = join(mirror.dataDir, "archives");
    chmodSync(folder, 0o500);
    try {
      const answer = await importInto(mirror, encode(members));
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(await state()).toEqual(before);
    } finally {
      chmodSync(folder, 0o700);
    }
  });

  test("a killed mirror serves its earlier state, and a retry imports the export", async () => {
    const whole = encode(members);
    const held = Readable.from(
      (async function* () {
        yield whole.subarray(0, -1024);
        await new Promise(() => undefined);
      })(),
    );
    const lost = send(mirror, held).catch(() => "lost");
    // Both new archives were received; only the end is missing.
    await expect
      .poll(() => archivesOf(mirror).length)
      .toBe((before as { archives: string[] }).archives.length + 2);
    await mirror.stop("SIGKILL");
    expect(await lost).toBe("lost");
    await mirror.start();
    expect(await state()).toEqual(before);
    expect((await importWell(mirror, members)).imported).toBe(2);
    expect((await mirror.read("/api/v1/packs/acme/new/1.1.0")).status).toBe(200);
  });
});

test("a trusted root is passed on unchanged, and not used", async () => {
  const { trustedRoot } = await createTestSigstore();
  const text = JSON.stringify(trustedRoot);
  const [head, ...rest] = await exportMembers();
  const members = [head as Member, { member: TRUSTED_ROOT, bytes: Buffer.from(text) }, ...rest];
  expect((await importWell(mirror, members)).trustedRoot).toBe(text);
});

test("an older head of the same size does not replace a newer one", async () => {
  const newer = await exportMembers();
  const older = resign(newer, undefined, { at: new Date(Date.now() - 3_600_000) });
  const { at } = await importWell(mirror, newer);
  expect((await importWell(mirror, older)).at).toBe(at);
  expect(await fetchBytes(mirror, "/log/checkpoint")).toEqual(newer[0]?.bytes);
});

describe("a mirror changes by imports alone", () => {
  const upload = () =>
    signUpload(
      buildSampleArchive({ manifest: { name: "acme/hello", version: "9.0.0" } }),
      "acme/hello/9.0.0",
      acme,
      token,
    );
  test.each<[string, () => Promise<Answer>]>([
    ["publish", () => mirror.publish(upload())],
    [
      "yank",
      () =>
        mirror.send("PUT", "/api/v1/packs/acme/hello/1.0.0/yank", token, {
          yanked: false,
          reason: "x",
        }),
    ],
    ["tokens", () => mirror.send("GET", "/api/v1/publishers/acme/tokens", token)],
    [
      "the operator's quarantine",
      () =>
        mirror.operate("PUT", "/api/v1/packs/acme/hello/1.0.0/quarantine", {
          quarantined: true,
          reason: "x",
        }),
    ],
    [
      "the operator's publishers",
      () => mirror.operate("POST", "/publishers", { name: "evil", publicKey: acme.publicKeyPem }),
    ],
  ])("%s", async (_what, ask) => {
    const answer = await ask();
    expect([answer.status, codeOf(answer)]).toEqual([403, "REGISTRY_READ_ONLY"]);
  });

  test("and a registry with a log of its own takes no import", async () => {
    expect(codeOf(await importInto(upstream, encode(await exportMembers(() => true))))).toBe(
      "BAD_REQUEST",
    );
  });

  test("and no import comes from the network", async () => {
    const response = await fetch(mirror.at("/import"), {
      method: "POST",
      headers: { "content-type": "application/x-tar" },
      body: "x",
    });
    expect(response.status).toBe(404);
  });

  test("and a log that has a key is not mirrored by another", async () => {
    const config = join(upstream.root, "other.json");
    const { logKey } = buildSamplePolicy({});
    mirror.writeConfig(config, { mirror: { logKey } });
    await mirror.stop("SIGTERM");
    const { code, out } = await mirror.runToEnd([config]);
    expect([code, out.includes("CONFIG_INVALID")]).toEqual([1, true]);
    await mirror.start();
  });
});

function splitEntries(bytes: Uint8Array = Buffer.alloc(0)): Buffer[] {
  const bundle = Buffer.from(bytes);
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/**
 * Compresses an archive: the same files in other bytes. Sonde's own archives are not compressed.
 */
function compress(archive: Uint8Array): Buffer {
  const bytes = Buffer.from(archive);
  const content = gunzipSync(bytes);
  return Buffer.concat([bytes.subarray(0, 10), deflateRawSync(content), bytes.subarray(-8)]);
}
