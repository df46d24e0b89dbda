import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { RELEASE } from "@sonde/schemas/release";
import { expect } from "vitest";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";

// Hub, registry and agent of one host, from their packages alone, by the commands that they print.

const workspace = resolve(import.meta.dirname, "../..");
const INSTALL_MS = 120_000;
const STATE_MS = 30_000;

/** Debian packages that a host with all of Sonde needs besides. */
const NEEDED = ["libstdc++6", "util-linux", "passwd", "postgresql", "curl"];
export const REGISTRY = "http://127.0.0.1:4311";
export const HUB = "http://127.0.0.1:4310";

/**
 * @param more Debian packages of the host
 * @returns a lab with one booted host, which has the packages of these folders in `/root`
 */
export async function startInstallable(
  folders: readonly string[],
  more: readonly string[] = [],
): Promise<{ lab: Lab; host: Host }> {
  const lab = await startLab([...NEEDED, ...more]);
  const host = await lab.boot("all-1");
  for (const folder of folders) {
    for (const name of readdirSync(folder)) host.copyIn(join(folder, name), `/root/${name}`);
  }
  return { lab, host };
}

/** Installs packages by their names, and returns what was printed. */
export async function installPackages(
  host: Host,
  names: readonly string[],
  version: string,
): Promise<string> {
  const files = names.map((name) => `/root/${name}_${version}_amd64.deb`);
  return await host.mustExec(["apt-get", "install", "--yes", ...files], { timeoutMs: INSTALL_MS });
}

/** The packages of all of Sonde. */
export const NAMES = ["sonde-registry", "sonde-hub", "sonde-agent"];

/** Installs all packages of this release, and has the hub follow the registry. */
export async function installAll(host: Host): Promise<void> {
  await installPackages(host, NAMES, RELEASE);
  await untilAnswers(host, REGISTRY);
  await host.mustExec(["sonde", "trust", "follow"]);
  await host.mustExec(["systemctl", "start", "sonde-hub"]);
}

export async function untilAnswers(host: Host, url: string): Promise<void> {
  await expect
    .poll(async () => (await host.exec(["curl", "-sf", `${url}/health`])).code, {
      timeout: STATE_MS,
    })
    .toBe(0);
}

/** Lets a new publisher publish official packs, and has the hub trust it. */
async function publishPacks(host: Host, packs: readonly string[]): Promise<void> {
  const { privateKey, publicKeyPem } = await createPublisherKey();
  copyText(host, "/root/publish/key.pub", publicKeyPem);
  const name = ["sonde", "--key", "/root/publish/key.pub"];
  const words = ["sonde", "registry", "publisher", "add", ...name, "--reserved", "--json"];
  const { token } = JSON.parse(await host.mustExec(words)) as { token: string };
  await host.mustExec(["sonde", "trust", "add", ...name]);
  for (const pack of packs) {
    const { archive, manifest } = await buildPack(join(workspace, "packs", pack));
    const folder = `/root/publish/${pack}`;
    copyText(host, `${folder}/bundle`, signArchive(archive, privateKey));
    copyText(host, `${folder}/archive`, archive);
    await host.mustExec([
      ...["curl", "-sSf", "-X", "PUT", "-H", `authorization: Bearer ${token}`],
      ...["-F", `bundle=@${folder}/bundle;type=application/json`],
      ...["-F", `archive=@${folder}/archive;type=application/gzip`],
      `${REGISTRY}/api/v1/packs/${manifest.name}/${manifest.version}`,
    ]);
  }
}

function copyText(host: Host, path: string, content: string | Uint8Array): void {
  const folder = mkdtempSync("/tmp/sonde-publish-");
  writeFileSync(join(folder, "file"), content);
  host.copyIn(join(folder, "file"), path);
  rmSync(folder, { recursive: true });
}

/** Enrols the host's own agent, has it fetch the packs, and approves them. */
async function enrolWithPacks(host: Host, packs: readonly string[]): Promise<void> {
  const invited = await host.mustExec(["sonde", "agents", "invite", host.name, "--json"]);
  const { token, hub } = JSON.parse(invited) as { token: string; hub: string };
  const trust = ["--trust", "/etc/sonde-hub/trust.json", "--yes"];
  await host.mustExec(["sonde-agent", "enrol", "--hub", hub, ...trust], { input: `${token}\n` });
  await expect
    .poll(async () => await host.mustExec(["sonde", "agents"]), { timeout: STATE_MS })
    .toMatch(/ connected,/);
  for (const pack of packs) {
    await host.mustExec(["sonde", "hub", "install", `sonde/${pack}`]);
    await untilPack(host, pack, "pending");
    await host.mustExec(["sonde-agent", "approve", `sonde/${pack}`, "--yes"]);
    await untilPack(host, pack, "active");
  }
}

async function untilPack(host: Host, pack: string, state: string): Promise<void> {
  await expect
    .poll(async () => await host.mustExec(["sonde-agent", "packs"]), { timeout: STATE_MS })
    .toMatch(new RegExp(`sonde/${pack} .*${state}`));
}

/** Makes a key for a client. */
async function createClientKey(host: Host): Promise<string> {
  const made = await host.mustExec(["sonde", "hub", "keys", "add", "claude", "--json"]);
  return (JSON.parse(made) as { key: string }).key;
}

/** Asks a tool over MCP, and returns the answer as it came. */
export async function askTool(host: Host, key: string, name: string): Promise<string> {
  const params = { name, arguments: { agent: host.name } };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const { out } = await host.exec([
    ...["curl", "-s", `${HUB}/mcp`, "-H", `authorization: Bearer ${key}`],
    ...["-H", "content-type: application/json"],
    ...["-H", "accept: application/json, text/event-stream"],
    ...["-d", JSON.stringify(body)],
  ]);
  return out;
}

/** Asks for the host's memory, and returns `ok`, or the answer when it is another. */
export async function askMemory(host: Host, key: string): Promise<string> {
  const out = await askTool(host, key, "system_memory_usage");
  return out.includes('"status":"ok"') ? "ok" : out;
}

/**
 * Has the installed hub, registry and agent of a host serve: publishes official packs, enrols the
 * agent, and asks it.
 *
 * @param packs the system pack among them
 * @returns a client's key, with which the agent answers
 */
export async function startServing(host: Host, packs = ["system"]): Promise<string> {
  await untilAnswers(host, HUB);
  await publishPacks(host, packs);
  await enrolWithPacks(host, packs);
  const key = await createClientKey(host);
  await expect.poll(() => askMemory(host, key), { timeout: STATE_MS }).toBe("ok");
  return key;
}
