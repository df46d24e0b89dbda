import type { KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuiltPack, buildPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { isErrorCode, SondeError } from "@sonde/schemas/errors";
import { type TrustPolicy } from "@sonde/schemas/trust";
import { type PackState } from "@sonde/schemas/wire";
import { everyItem } from "../../cli/src/agent/choose-items.ts";
import { writeGrant } from "../../cli/src/agent/grant-files.ts";
import { createAgentClient } from "../../cli/src/agent-client.ts";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { addPublisher as addToRegistry } from "../../cli/src/registry-operator-client.ts";
import { addTrustedKey, changeTrustPolicy } from "../../cli/src/trust-policy-file.ts";
import { type Product, until, workspace } from "./start-product.ts";

/** A stranger who signs packs. The registry knows this publisher; no host trusts it yet. */
export type TestPublisher = {
  name: string;
  privateKey: KeyObject;
  publicKey: string;
  token: string;
};

export type TestPack = {
  name: string;
  version: string;
  groups?: string[];
  sources?: string;
  probes: string;
};

/** Adds a publisher with a new key to the running registry, as its operator does. */
export async function addPublisher(product: Product, name: string): Promise<TestPublisher> {
  const { privateKey, publicKeyPem } = await createPublisherKey();
  const { registrySocket } = layoutOf(product.data);
  const { token } = await addToRegistry(registrySocket, name, publicKeyPem);
  return { name, privateKey, publicKey: publicKeyPem, token };
}

/** The installed copy of a program and its Node. Without root, those of the clone. */
export function findProgram(
  product: Pick<Product, "data">,
  file: string,
): [node: string, program: string] {
  const [build] = readdirSync(join(product.data, "runtime"), { withFileTypes: true });
  if (build === undefined) return [process.execPath, join(workspace, "dist", file)];
  const folder = join(product.data, "runtime", build.name);
  return [join(folder, "node"), join(folder, file)];
}

/** Rewrites the host's trust.json as its administrator would. */
export function changeTrust(product: Product, change: (policy: TrustPolicy) => TrustPolicy): void {
  const { trustPolicy } = layoutOf(product.data);
  changeTrustPolicy(trustPolicy, change);
}

export function trustPublisher(product: Product, { name, publicKey }: TestPublisher): void {
  changeTrust(product, (policy) => addTrustedKey(policy, name, publicKey));
}

/**
 * Builds a small pack from text.
 *
 * @param pack.sources statements such as `export const load = source.file({ path: "/proc/loadavg" });`
 * @param pack.probes members of the pack's `probes`, such as `echo: probe({ ... }),`
 */
export async function buildTestPack(pack: TestPack): Promise<BuiltPack> {
  const folder = mkdtempSync("/tmp/sonde-pack-");
  try {
    mkdirSync(join(folder, "src"));
    const write = (path: string, text: string) => writeFileSync(join(folder, path), text);
    write("README.md", `# ${pack.name}\n`);
    write("LICENSE", "Apache-2.0\n");
    write(
      "src/sources.ts",
      `import { source } from "@sonde/pack-sdk/author";\n${pack.sources ?? "export {};"}\n`,
    );
    write("src/pack.ts", buildPackSource(pack));
    return await buildPack(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function buildPackSource({ name, version, groups = [], probes }: TestPack): string {
  return `import { pack, probe, read, t } from "@sonde/pack-sdk/author";
import * as sources from "./sources.ts";
let calls = 0;
export default pack({
  name: ${JSON.stringify(name)},
  version: ${JSON.stringify(version)},
  description: "A pack for tests.",
  license: "Apache-2.0",
  repository: "https://example.com/test",
  groups: ${JSON.stringify(groups)},
  sources,
  probes: { ${probes} },
});
`;
}

/** Publishes exactly these bytes. @throws SondeError with the registry's code */
export async function publishBytes(
  product: Product,
  { token }: TestPublisher,
  { name, version }: { name: string; version: string },
  archive: Uint8Array,
  bundle: string,
): Promise<void> {
  const form = new FormData();
  form.append("bundle", new Blob([bundle]), "bundle.json");
  form.append("archive", new Blob([Uint8Array.from(archive)]), "archive.tgz");
  const response = await fetch(`${product.registryUrl}/api/v1/packs/${name}/${version}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${token}` },
    body: form,
  });
  const answer = (await response.json()) as { error?: { code: unknown; message: string } };
  if (response.ok) return;
  const { code, message } = answer.error ?? { code: "", message: "" };
  throw new SondeError(isErrorCode(code) ? code : "INTERNAL", message);
}

/** Builds, signs and publishes, as an honest author does. */
export async function publishPack(
  product: Product,
  publisher: TestPublisher,
  pack: TestPack,
): Promise<BuiltPack> {
  const built = await buildTestPack(pack);
  const bundle = signArchive(built.archive, publisher.privateKey);
  await publishBytes(product, publisher, pack, built.archive, bundle);
  return built;
}

/**
 * Assigns a version to the agent at the hub. Returns the raw answer, with its code when refused.
 */
export function assignPack(product: Product, name: string, version: string) {
  return product.hub.send("PUT", `/agents/${product.agent}/packs/${name}`, { body: { version } });
}

/** Publishes, assigns and approves a pack. Resolves when the hub offers its tools. */
export async function installPack(
  product: Product,
  publisher: TestPublisher,
  pack: TestPack,
): Promise<BuiltPack> {
  const built = await publishPack(product, publisher, pack);
  const { status, body } = await assignPack(product, pack.name, pack.version);
  if (status !== 200) throw new Error(`the hub refused ${pack.name}: ${JSON.stringify(body)}`);
  await untilState(product, pack.name, built.digest, "pending");
  const layout = layoutOf(product.data);
  const agent = createAgentClient(layout.agentSocket);
  const shown = await agent.explain(pack.name);
  writeGrant(layout.grants, shown, { items: everyItem(shown) }, "the test", new Date());
  await agent.reload();
  await untilState(product, pack.name, built.digest, "active");
  return built;
}

/**
 * Waits until the agent has reported that state to the hub. On timeout, the error names the present
 * state.
 */
export async function untilState(
  product: Product,
  name: string,
  digest: string,
  state: PackState,
): Promise<void> {
  await until(`${name} to be ${state}`, async () => {
    const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
    const packs = body["packs"] as {
      name: string;
      digest: string;
      state: string;
      reason: unknown;
    }[];
    const found = packs.find((pack) => pack.name === name && pack.digest === digest);
    if (found?.state === "failed" && state !== "failed") {
      throw new Error(`${name} failed: ${JSON.stringify(found.reason)}`);
    }
    return found?.state === state;
  });
}
