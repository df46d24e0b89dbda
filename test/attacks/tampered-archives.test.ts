import { readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { BuiltPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { archiveDigest, type ArchiveFile, readArchive, writeArchive } from "@sonde/trust/archive";
import { type Lie, type LyingRegistry, startLyingRegistry } from "../product/lying-registry.ts";
import { readVerifiedAgentAudit } from "../product/audit.ts";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";
import {
  addPublisher,
  assignPack,
  buildTestPack,
  changeTrust,
  installPack,
  publishBytes,
  publishPack,
  type TestPublisher,
  trustPublisher,
  untilState,
} from "../product/test-packs.ts";

// Attack classes 41, 43 and 69: an archive that its publisher did not sign, uploaded to the
// registry, and served to hub and agent by a lying registry.

const LOAD = `export const load = source.file({ path: "/proc/loadavg", maxBytes: 4096 });`;
const SAY = (word: string) => `say: probe({ description: "Says what it is asked to say.",
  result: t.object({ word: t.string() }), reads: { load: sources.load }, run: () => ({ word: "${word}" }) })`;
const packOf = (version: string) => ({
  name: "acme/said",
  version,
  sources: LOAD,
  probes: SAY(version),
});

type Forgery = { archive: Uint8Array; bundle: string };
/** Each alters a version that acme signed. */
const FORGERIES: [string, string, (honest: BuiltPack, bundle: string) => Forgery][] = [
  [
    "one flipped byte",
    "ARCHIVE_INVALID",
    ({ archive }, bundle) => {
      const bytes = Uint8Array.from(archive);
      const middle = bytes.length >> 1;
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      return { archive: bytes, bundle };
    },
  ],
  [
    "a swapped file, packed anew",
    "DIGEST_MISMATCH",
    ({ files }, bundle) => ({
      archive: writeArchive(swapCode(files)),
      bundle,
    }),
  ],
  [
    "a byte after the end",
    "ARCHIVE_INVALID",
    ({ archive }, bundle) => ({
      archive: Buffer.concat([archive, Buffer.from([0])]),
      bundle,
    }),
  ],
  [
    "the same files in another gzip",
    "ARCHIVE_INVALID",
    ({ archive }, bundle) => ({
      archive: gzipSync(gunzipSync(archive), { level: 1 }),
      bundle,
    }),
  ],
  [
    "a swapped file under a foreign signature",
    "SIGNER_UNTRUSTED",
    ({ files }) => {
      const archive = writeArchive(swapCode(files));
      return { archive, bundle: signArchive(archive, foreignKey) };
    },
  ],
  [
    "a foreign signature",
    "SIGNER_UNTRUSTED",
    ({ archive }) => ({
      archive,
      bundle: signArchive(archive, foreignKey),
    }),
  ],
  [
    "a signature of another version",
    "DIGEST_MISMATCH",
    ({ archive }) => ({
      archive,
      bundle: signArchive(other.archive, acme.privateKey),
    }),
  ],
  [
    "requires that do not match the sources, signed by the publisher",
    "REQUIRES_MISMATCH",
    ({ files }) => {
      const archive = writeArchive(
        editManifest(files, (text) => text.replace(/("files": )\[[^\]]*\]/, "$1[]")),
      );
      return { archive, bundle: signArchive(archive, acme.privateKey) };
    },
  ],
];

let product: Product;
let lying: LyingRegistry;
let client: McpClient;
let acme: TestPublisher;
let foreignKey: TestPublisher["privateKey"];
let other: BuiltPack;
let minor = 1;
/**
 * What the registry tells the agent. Every lie stays: the agent may try again what it refused
 * before, and would take it from a registry that is honest by now.
 */
const liesToAgent: Lie[] = [];

beforeAll(async () => {
  product = await startProduct();
  client = await connectOlderClient(product.mcpUrl, product.apiKey);
  acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  foreignKey = (await createPublisherKey()).privateKey;
  other = await buildTestPack(packOf("0.9.0"));
  await installPack(product, acme, packOf("1.0.0"));
  lying = await startLyingRegistry(product.registryUrl);
  changeTrust(product, (policy) => ({ ...policy, registry: lying.url }));
});
afterAll(async () => {
  await client?.close();
  await lying?.close();
  await product?.stop();
});
beforeEach(() => {
  minor += 1;
});

const listings = () =>
  ["agent/packs", "hub/packs", "registry/archives"].map((folder) =>
    readdirSync(join(product.data, folder)).sort(),
  );
const serves = async () =>
  (await client.call("acme__said_say", { agent: product.agent })).results[0]?.data?.["word"];
const codeOf = (body: Record<string, unknown>) => (body["error"] as { code: string }).code;

// Attacks 41, 42 and 43.
test.each(FORGERIES)("the registry refuses %s with %s", async (_, code, forge) => {
  const pack = packOf(`1.${minor}.0`);
  const honest = await buildTestPack(pack);
  const { archive, bundle } = forge(honest, signArchive(honest.archive, acme.privateKey));
  const before = listings();
  await expect(publishBytes(product, acme, pack, archive, bundle)).rejects.toMatchObject({ code });
  expect(listings()).toEqual(before);
  const url = `${product.registryUrl}/api/v1/packs/acme/said`;
  expect((await fetch(`${url}/${pack.version}`)).status).toBe(404);
  expect((await fetch(`${url}/${pack.version}/archive`)).status).toBe(404);
  expect(await (await fetch(url)).text()).not.toContain(`"${pack.version}"`);
});

test.each(FORGERIES)(
  "served by a lying registry, the hub refuses %s",
  async (what, code, forge) => {
    const pack = packOf(`2.${minor}.0`);
    const honest = await publishPack(product, acme, pack);
    const forged = forge(honest, signArchive(honest.archive, acme.privateKey));
    lying.lie(substitute(pack.version, forged));
    const before = listings();
    const { status, body } = await assignPack(product, pack.name, pack.version);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(codeOf(body)).toBe(expectedByLog(what, code));
    expect(listings()).toEqual(before);
    expect(await serves()).toBe("1.0.0");
  },
);

test.each(FORGERIES)(
  "served to the agent alone, the agent refuses %s",
  async (what, code, forge) => {
    const pack = packOf(`3.${minor}.0`);
    const honest = await publishPack(product, acme, pack);
    const forged = forge(honest, signArchive(honest.archive, acme.privateKey));
    // The registry tells the hub the truth on the first fetch of this version and lies after that.
    const swap = substitute(pack.version, forged, false);
    let archives = 0;
    liesToAgent.push((path, body) => {
      if (path.endsWith(`/${pack.version}/archive`)) archives += 1;
      return archives >= 2 ? swap(path, body) : null;
    });
    lying.lie((path, body) => {
      for (const lie of liesToAgent) {
        const told = lie(path, body);
        if (told !== null) return told;
      }
      return null;
    });
    const [before = []] = listings();
    expect((await assignPack(product, pack.name, pack.version)).status).toBe(200);
    await untilState(product, pack.name, honest.digest, "failed");
    const entries = readVerifiedAgentAudit(product);
    // The agent also tries the version before once more, and refuses it once more.
    const refusals = entries
      .map(({ record }) => record)
      .filter(({ event, packDigest }) => event === "pack.refused" && packDigest === honest.digest);
    expect(refusals.map((record) => record["code"])).toContain(expectedByLog(what, code));
    const [stored = []] = await until("no admission to be under way", () => {
      const present = listings();
      return present[0]?.every((name) => !name.startsWith(".admit-")) && present;
    });
    expect(stored.filter((name) => !before.includes(name))).toEqual([]);
    expect(await serves()).toBe("1.0.0");
  },
);

test("with an honest registry again, hub and agent accept the next version without a new approval", async () => {
  lying.lie(() => null);
  const pack = packOf("4.0.0");
  await publishPack(product, acme, pack);
  expect((await assignPack(product, pack.name, pack.version)).status).toBe(200);
  await until("the next version to serve", async () => (await serves()) === "4.0.0");
});

/**
 * Hub and agent know the digest from the log, so other bytes are refused before any further check.
 */
function expectedByLog(what: string, code: string): string {
  return what === "a foreign signature" ? code : "DIGEST_MISMATCH";
}

/** Swaps archive, bundle and the digest that the registry claims. */
function substitute(version: string, { archive, bundle }: Forgery, metadata = true): Lie {
  const base = `/api/v1/packs/acme/said/${version}`;
  return (path, body) => {
    if (path === `${base}/archive`) return Buffer.from(archive);
    if (path === `${base}/bundle`) return Buffer.from(bundle);
    if (path !== base || !metadata) return null;
    const published = JSON.parse(body.toString()) as object;
    return Buffer.from(JSON.stringify({ ...published, digest: archiveDigest(archive) }));
  };
}

function swapCode(files: readonly ArchiveFile[]): ArchiveFile[] {
  return files.map((file) =>
    file.path === "index.js"
      ? {
          ...file,
          bytes: Buffer.from(Buffer.from(file.bytes).toString().replace("word:", "word: 666 +")),
        }
      : file,
  );
}

function editManifest(
  files: readonly ArchiveFile[],
  edit: (text: string) => string,
): ArchiveFile[] {
  return files.map((file) => {
    if (file.path !== "pack.json") return file;
    const text = Buffer.from(file.bytes).toString();
    const edited = edit(text);
    if (edited === text) throw new Error("expected the manifest to change");
    return { ...file, bytes: Buffer.from(edited) };
  });
}

test("every forgery differs from the honest archive or bundle", async () => {
  const honest = await buildTestPack(packOf("5.0.0"));
  const bundle = signArchive(honest.archive, acme.privateKey);
  for (const [name, , forge] of FORGERIES) {
    const forged = forge(honest, bundle);
    const same = Buffer.compare(forged.archive, honest.archive) === 0 && forged.bundle === bundle;
    expect(same, name).toBe(false);
  }
  expect(readArchive(honest.archive)).toHaveLength(4);
});
