import { statSync, unlinkSync, writeFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { parseJson } from "@sonde/schemas/parse";
import {
  type PublishedVersion,
  type RegistryEntry,
  parsePublishedVersion,
  parseRegistryEntry,
} from "@sonde/schemas/registry";
import {
  EMPTY_FRONTIER,
  type TileId,
  followLog,
  openCheckpoint,
  parseNoteKey,
  readProvenEntry,
  tilePath,
} from "@sonde/trust/log";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Answer, TestRegistry, signUpload } from "./testing/test-registry.ts";

let registry: TestRegistry;
let acme: SampleKey;
let token: string;

beforeAll(async () => {
  registry = await TestRegistry.start({ logName: "registry.example/log" });
  acme = createSampleKey();
  token = await registry.addPublisher("acme", acme);
}, 120_000);
afterAll(() => registry.close());

const publish = (
  version: string,
  { code = "var pack = {};\n", name = "acme/hello" } = {},
): Promise<Answer> => {
  const archive = buildSampleArchive({ manifest: { name, version }, code });
  return registry.publish(signUpload(archive, `${name}/${version}`, acme, token));
};
const readText = async (path: string): Promise<string> => (await fetch(registry.at(path))).text();
const readTile = async (id: TileId): Promise<Uint8Array> => {
  const response = await fetch(registry.at(`/log/${tilePath(id)}`));
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
};
const follow = async (from = EMPTY_FRONTIER) => {
  const entries: RegistryEntry[] = [];
  const { frontier, checkpoint } = await followLog({
    key: parseNoteKey(registry.logKey),
    from,
    readCheckpoint: () => readText("/log/checkpoint"),
    readTile,
    seen: [],
    now: new Date(),
    onEntry(bytes) {
      entries.push(parseRegistryEntry(parseJson(bytes, "entry", "REGISTRY_LOG_INCONSISTENT")));
    },
  });
  return { frontier, checkpoint, entries };
};

test("an empty log has a head signed by a key that only the registry can read", async () => {
  const { checkpoint, entries } = await follow();
  expect([checkpoint.size, entries]).toEqual([0, []]);
  expect(await readText("/log/key")).toBe(`${registry.logKey}\n`);
  expect(registry.logKey).toMatch(/^registry\.example\/log\+/);
  expect(statSync(join(registry.dataDir, "log.key")).mode & 0o777).toBe(0o600);
});

test("every publish adds an entry; a repeated one does not", async () => {
  const answers = [await publish("1.0.0"), await publish("1.1.0"), await publish("1.0.0")];
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 200]);
  const { entries, checkpoint } = await follow();
  const versions = answers.slice(0, 2).map(({ body }) => parsePublishedVersion(body));
  expect(entries).toEqual(
    versions.map(({ publishedAt, name, version, digest, contentDigest, signer, manifest }) => ({
      type: "publish",
      at: publishedAt,
      name,
      version,
      digest,
      contentDigest,
      engines: manifest.engines,
      signer,
    })),
  );
  for (const [index, { logIndex }] of versions.entries()) {
    expect(logIndex).toBe(index);
    const bytes = await readProvenEntry(logIndex, checkpoint, readTile);
    expect(parseJson(bytes, "entry", "INTERNAL")).toEqual(entries[index]);
  }
});

test("a refused publish leaves no entry", async () => {
  const before = (await follow()).checkpoint.size;
  expect((await publish("1.0.0", { code: "var pack = { other: 1 };\n" })).status).toBe(409);
  expect((await publish("2.0.0", { code: "eval('1');\n" })).status).toBe(422);
  expect((await follow()).checkpoint.size).toBe(before);
});

test("concurrent publishes have one order, once each, and extend the old head", async () => {
  const { frontier } = await follow();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => publish("3.0.0", { name: `acme/pack-${index}` })),
  );
  expect(answers.every(({ status }) => status === 201)).toBe(true);
  const { entries } = await follow(frontier);
  const published = answers.map(({ body }) => body as PublishedVersion);
  expect(entries.map(({ name }) => name)).toEqual(
    published.toSorted((a, b) => a.logIndex - b.logIndex).map(({ name }) => name),
  );
});

test("a head is signed again with time, not for each reader", async () => {
  const key = parseNoteKey(registry.logKey);
  const read = async () => openCheckpoint(await readText("/log/checkpoint"), key).at.getTime();
  const first = await read();
  await vi.waitFor(async () => expect(await read()).toBeGreaterThan(first), { timeout: 30_000 });
  const notes = await Promise.all(Array.from({ length: 20 }, () => readText("/log/checkpoint")));
  expect(new Set(notes).size).toBeLessThanOrEqual(2);
});

test.each([
  "/log/tile/0/999",
  "/log/tile/0/000.p/200",
  "/log/tile/0/0",
  "/log/tile/entries/000.p/0",
  "/log/tile/0/..%2f000",
  "/log/other",
])("%s is not there", async (path) => {
  const response = await fetch(registry.at(path));
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: "NOT_FOUND" } });
});

test("attack 69: a registry killed while it publishes has every acknowledged version in its log", async () => {
  const { frontier } = await follow();
  const acknowledged: string[] = [];
  const burst = Array.from({ length: 40 }, async (_, index) => {
    const answer = await publish(`4.${index}.0`).catch(() => null);
    if (answer?.status === 201) acknowledged.push(`4.${index}.0`);
  });
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(3), { timeout: 30_000 });
  await registry.stop("SIGKILL");
  await Promise.all(burst);
  await registry.start();
  const { entries } = await follow(frontier);
  const logged = entries.flatMap((entry) => (entry.type === "publish" ? [entry.version] : []));
  expect(logged).toEqual(expect.arrayContaining(acknowledged));
  // Nothing is visible that is not in the log.
  const { body } = await registry.read("/api/v1/packs/acme/hello");
  const visible = (body as { versions: { version: string }[] }).versions
    .map(({ version }) => version)
    .filter((version) => version.startsWith("4."));
  expect(visible.toSorted()).toEqual(logged.toSorted());
  // A client that lost its answer repeats the request and succeeds.
  const lost = Array.from({ length: 40 }, (_, index) => `4.${index}.0`);
  for (const version of lost) expect([200, 201]).toContain((await publish(version)).status);
});

test("a log does not continue under another key", async () => {
  await registry.stop("SIGTERM");
  const path = join(registry.dataDir, "log.key");
  const { privateKey } = generateKeyPairSync("ed25519");
  unlinkSync(path);
  writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o644 });
  const { code, out } = await registry.runToEnd([registry.configFile]);
  expect(code).toBe(1);
  expect(out).toContain('"code":"CONFIG_INVALID"');
  // A lost key is not replaced by a new one.
  unlinkSync(path);
  expect((await registry.runToEnd([registry.configFile])).code).toBe(1);
});
