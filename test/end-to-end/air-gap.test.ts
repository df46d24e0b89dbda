import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";
import { digestOf } from "@sonde/trust/archive";
import {
  createTestSigstore,
  serveSigstore,
  type ServedSigstore,
} from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { initPack } from "../product/author.ts";
import { askProgram, refusalOf } from "../product/run-program.ts";
import { createDataFolder, type Product, startProduct, until } from "../product/start-product.ts";
import { type StartedRegistry, startRegistry } from "../product/start-registry.ts";
import {
  buildTestPack,
  changeTrust,
  publishBytes,
  type TestPublisher,
} from "../product/test-packs.ts";

// Two sites without a network between them. One has a registry and its publishers, the other a
// mirror, a hub and an agent. Only one file is carried across.

const JOB = "https://ci.example/globex/uptime/release";
const outside = createDataFolder();
const inside = createDataFolder();
const stick = join(outside, "packs.tar");
const rootFile = join(outside, "trusted-root.json");
let product: Product;
let services: ServedSigstore;
let upstream: StartedRegistry;
let mirror: StartedRegistry;
let acme: TestPublisher;

beforeAll(async () => {
  product = await startProduct();
  const sigstore = await createTestSigstore();
  services = await serveSigstore(sigstore);
  writeFileSync(rootFile, JSON.stringify(sigstore.trustedRoot), { mode: 0o644 });
  upstream = await startRegistry(product, outside, { trustedRootFile: rootFile });
  mirror = await startRegistry(product, inside, { mirror: { logKey: upstream.logKey } });
});
afterAll(async () => {
  await Promise.all([product?.stop(), upstream?.stop(), mirror?.stop(), services?.close()]);
  for (const folder of [outside, inside]) rmSync(folder, { recursive: true, force: true });
});

type Carried = { head: { size: number; hash: string }; at: string };
type Exported = Carried & { archives: number; earlier: number; trustedRootDigest: string | null };
type Imported = Carried & {
  imported: number;
  present: number;
  trustedRoot: { file: string; digest: string } | null;
};

const sonde = <T>(...words: string[]) => askProgram<T>("sonde", words);
const exportTo = (file: string, ...words: string[]) => {
  const source = ["registry", "export", upstream.url, "--log-key", upstream.logKey];
  return sonde<Exported>(...source, "--to", file, "--data", outside, ...words);
};
const importFrom = (file: string) => sonde<Imported>("registry", "import", file, "--data", inside);

/** Steps of an author at the outside site. */
async function publish(version: string): Promise<void> {
  const pack = {
    name: "acme/hello",
    version,
    sources: 'export const load = source.file({ path: "/proc/loadavg" });',
    probes: `greet: probe({ description: "Says nothing of the load.", capability: "observe", params: t.object({}),
      result: t.object({}), reads: { load: sources.load }, run: () => ({}) })`,
  };
  const { archive } = await buildTestPack(pack);
  const bundle = signArchive(archive, acme.privateKey);
  await publishBytes({ ...product, registryUrl: upstream.url }, acme, pack, archive, bundle);
}

async function statesOf(pack: string): Promise<[string, PackReport["state"]][]> {
  const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
  return (body as AgentDetail).packs
    .filter(({ name }) => name === pack)
    .map(({ version, state }) => [version, state]);
}
const untilStates = (pack: string, expected: [string, string][]) =>
  until(`${pack} to be ${JSON.stringify(expected)}`, async () => {
    return JSON.stringify(await statesOf(pack)) === JSON.stringify(expected);
  });
const install = (pack: string, range: string) =>
  sonde("hub", "install", `${pack}@${range}`, "--data", product.data);
const approve = (pack: string) => sonde("agent", "approve", pack, "--yes", "--data", product.data);

test("outside, one pack is signed with a key and one by a CI's identity", async () => {
  const { privateKey, publicKeyPem } = await createPublisherKey();
  const keyFile = join(outside, "acme.pub");
  writeFileSync(keyFile, publicKeyPem);
  const add = ["registry", "publisher", "add", "--data", outside];
  const { token } = await sonde<{ token: string }>(...add, "acme", "--key", keyFile);
  acme = { name: "acme", privateKey, publicKey: publicKeyPem, token };
  await publish("1.0.0");

  const env = services.ambient({ sub: JOB });
  const tokenFile = join(outside, "globex.token");
  const identity = ["--issuer", services.issuer, "--identity", JOB];
  await sonde(...add, "globex", ...identity, "--token-file", tokenFile);
  const folder = join(outside, "uptime");
  await initPack("globex/uptime", folder);
  const { file } = await askProgram<{ file: string }>("sonde-pack", ["build", folder]);
  const endpoints = ["--fulcio", services.fulcio, "--rekor", services.rekorV2];
  const sign = ["sign", file, ...endpoints, "--timestamp", services.timestamp];
  await askProgram("sonde-pack", sign, { env });
  const right = ["--registry", upstream.url, "--token-file", tokenFile, "--yes"];
  const published = await askProgram("sonde-pack", ["publish", file, ...right]);
  expect(published).toMatchObject({ version: "0.1.0" });
});

test("one file carries everything; its trusted root is stored, but not trusted", async () => {
  const exported = await exportTo(stick, "--trusted-root", rootFile);
  expect(exported).toMatchObject({ archives: 2, earlier: 0, head: { size: 2 } });
  // From here on, the outside site is unreachable.
  await upstream.stop();
  const policyFile = join(product.data, "config/trust.json");
  const before = readFileSync(policyFile, "utf8");
  const imported = await importFrom(stick);
  expect(imported).toMatchObject({ imported: 2, present: 0, head: exported.head, at: exported.at });
  const { file = "", digest } = imported.trustedRoot ?? {};
  expect([digest, digestOf(readFileSync(file))]).toEqual([
    exported.trustedRootDigest,
    exported.trustedRootDigest,
  ]);
  expect(readFileSync(policyFile, "utf8")).toBe(before);
  // A person pins the root after comparing the digests.
  await sonde("trust", "update-root", "--from", file, "--data", product.data);
});

test("an agent installs both from the mirror, by the outside log's key and its own policy", async () => {
  changeTrust(product, (policy) => ({
    ...policy,
    registry: mirror.url,
    logKey: upstream.logKey,
    logHeadMaxAgeHours: 168,
    publishers: {
      ...policy.publishers,
      acme: {
        keys: [{ algorithm: "rsa-sha256", publicKey: acme.publicKey }],
        identities: [],
      },
      globex: { keys: [], identities: [{ issuer: services.issuer, identity: JOB }] },
    },
  }));
  for (const [pack, version] of [
    ["acme/hello", "1.0.0"],
    ["globex/uptime", "0.1.0"],
  ] as const) {
    await install(pack, "*");
    await untilStates(pack, [[version, "pending"]]);
    await approve(pack);
    await untilStates(pack, [[version, "active"]]);
  }
  const audit = await sonde<{ archives: number; problems: unknown[] }>(
    ...["registry", "audit", mirror.url, "--data", product.data],
  );
  expect(audit).toMatchObject({ archives: 2, problems: [] });
});

test("nobody can publish in the mirror", async () => {
  const folder = join(outside, "uptime");
  const { file } = await askProgram<{ file: string }>("sonde-pack", ["build", folder]);
  const right = ["--registry", mirror.url, "--token-file", join(outside, "globex.token"), "--yes"];
  expect(await refusalOf("sonde-pack", ["publish", file, ...right])).toBe("REGISTRY_READ_ONLY");
  const stop = ["registry", "quarantine", "acme/hello", "1.0.0", "--reason", "x", "--data", inside];
  expect(await refusalOf("sonde", stop)).toBe("REGISTRY_READ_ONLY");
});

test("the next file brings the new versions, and an upgrade reaches the agent", async () => {
  upstream = await startRegistry(product, outside, { trustedRootFile: rootFile });
  await publish("1.1.0");
  const next = join(outside, "next.tar");
  expect(await exportTo(next, "--since", "2")).toMatchObject({ archives: 1, earlier: 2 });
  expect(await importFrom(next)).toMatchObject({ imported: 1, present: 2, trustedRoot: null });
  await install("acme/hello", "^1");
  await untilStates("acme/hello", [["1.1.0", "active"]]);
});

test("an older, a damaged and a missing file are refused, and nothing changes", async () => {
  const head = async () => await (await fetch(`${mirror.url}/log/checkpoint`)).text();
  const before = await head();
  const importing = (file: string) => ["registry", "import", file, "--data", inside];
  expect(await refusalOf("sonde", importing(stick))).toBe("REGISTRY_LOG_INCONSISTENT");
  const damaged = join(outside, "damaged.tar");
  writeFileSync(damaged, readFileSync(join(outside, "next.tar")).subarray(0, -1024));
  expect(await refusalOf("sonde", importing(damaged))).toBe("EXPORT_INVALID");
  expect(await refusalOf("sonde", importing(join(outside, "none.tar")))).toBe("NOT_FOUND");
  expect(await refusalOf("sonde", ["registry", "import", stick, "--data", outside])).toBe(
    "BAD_REQUEST",
  );
  expect(await head()).toBe(before);
  expect(existsSync(join(inside, "registry/log.key"))).toBe(false);
});
