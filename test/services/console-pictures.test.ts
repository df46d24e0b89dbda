import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Database } from "@sonde/database";
import type { Manifest } from "@sonde/schemas/manifest";
import type { Digest } from "@sonde/schemas/names";
import type { AgentStatement, PackReport, ResultBody } from "@sonde/schemas/wire";
import type { TrustedSigners } from "@sonde/schemas/trust";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import { createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { CALLBACK, createOAuthClient } from "../../hub/src/testing/oauth-client.ts";
import { type Account, invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import { buildPack } from "../../pack-sdk/src/build/index.ts";
import { signUpload, TestRegistry } from "../../registry/src/testing/test-registry.ts";
import { type ConsoleHost, startConsoleHost } from "../product/console-host.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// The pictures of docs/console.md: the console over a small fleet that the test plays, with the packs of
// this repository. SONDE_PICTURES=docs/pictures writes them there.

type Built = {
  name: string;
  version: string;
  digest: Digest;
  manifest: Manifest;
  archive: Uint8Array;
};

const given = process.env["SONDE_PICTURES"];
let folder: string;
/** Of the pictures by night, which no document shows. */
const nights = mkdtempSync(join(tmpdir(), "sonde-pictures-"));
const sonde = createSampleKey();
let registry: TestRegistry;
let hub: TestHub;
let host: ConsoleHost;
let owner: Account;
const packs = new Map<string, Built>();
const agents: PlayedAgent[] = [];

beforeAll(async () => {
  folder = given === undefined ? join(nights, "days") : resolve(given);
  mkdirSync(folder, { recursive: true });
  for (const name of ["system", "docker", "nginx", "postgres"]) {
    const built = await buildPack(join(import.meta.dirname, "../../packs", name));
    const { manifest, digest, archive } = built;
    packs.set(name, { name: manifest.name, version: manifest.version, digest, manifest, archive });
  }
  registry = await TestRegistry.start();
  const publishers = { sonde: await publishPacks() };
  const policy = { registry: registry.at(""), logKey: registry.logKey, publishers };
  [hub, host] = await Promise.all([
    startHub(savePacks, {}, { policy, console: await buildConsole() }),
    startConsoleHost(),
  ]);
  for (const { digest } of packs.values()) {
    expect((await hub.ask("POST", "/tool-pins", { packDigest: digest })).code).toBe(200);
  }
  owner = await makeOwner(hub);
  await invite(hub, owner, "operator", "grace");
  await invite(hub, owner, "auditor", "edsger");
  await startFleet();
}, 300_000);
afterAll(async () => {
  for (const agent of agents) agent.close();
  await host?.close();
  await hub?.close();
  await registry?.close();
  rmSync(nights, { recursive: true });
});

/** Publishes the packs as anybody does. @returns what lets a hub trust their publisher */
async function publishPacks(): Promise<TrustedSigners> {
  const { publicKeyPem: publicKey } = sonde;
  const added = await registry.operate("POST", "/publishers", {
    ...{ name: "sonde", publicKey, takesReserved: true },
  });
  const { token } = added.body as { token: string };
  for (const { name, version, archive } of packs.values()) {
    const upload = signUpload(archive, `${name}/${version}`, sonde, token);
    expect((await registry.publish(upload)).status).toBe(201);
  }
  return { keys: [{ algorithm: "rsa-sha256", publicKey }], identities: [] };
}

async function savePacks({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, (error) => {
    throw error;
  });
  const store = createPackStore(sql, directory);
  for (const pack of packs.values()) {
    const keyId = keyIdOf(parsePublisherKey(sonde.publicKeyPem));
    const signer = { kind: "rsa-sha256", publisher: "sonde", keyId } as const;
    await store.savePack({ ...pack, signer }, "", new Date());
  }
  await directory.close();
}

function report(name: string, state = "active"): PackReport {
  const pack = packs.get(name);
  if (pack === undefined) throw new Error(`expected a pack that was built, got ${name}`);
  const isActive = state === "active";
  return {
    ...{ name: pack.name, version: pack.version, digest: pack.digest, state, signer: null },
    probes: isActive ? Object.keys(pack.manifest.probes) : [],
    approved: isActive ? { by: "root", at: "2026-11-02T08:15:00.000Z" } : null,
    reason: isActive
      ? null
      : { code: "GRANT_NEEDED", message: "nobody approved what this version asks for" },
  };
}

type Host = {
  name: string;
  tags: string[];
  os: string;
  packs: PackReport[];
  statement?: Partial<AgentStatement>;
};

async function startFleet(): Promise<void> {
  const debian = "Debian GNU/Linux 12 (bookworm)";
  const ubuntu = "Ubuntu 24.04.1 LTS";
  await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web", "env=prod"], remove: [] });
  const fleet: Host[] = [
    {
      ...{ name: "web-1", tags: [], os: debian },
      packs: [report("system"), report("nginx"), report("docker", "pending")],
    },
    {
      ...{ name: "web-2", tags: ["env=prod", "role=web"], os: debian },
      packs: [report("system"), report("nginx")],
    },
    {
      ...{ name: "db-1", tags: ["env=prod", "role=db"], os: ubuntu },
      packs: [report("system"), report("postgres")],
    },
    {
      ...{ name: "db-2", tags: ["env=prod", "role=db"], os: ubuntu },
      packs: [report("system"), report("postgres")],
    },
    {
      ...{ name: "build-1", tags: ["env=test", "role=build"], os: ubuntu },
      packs: [report("system"), report("docker")],
    },
  ];
  for (const { name, tags, os, packs: own } of fleet) {
    const enrolled = name === "web-1" ? hub.agent : await hub.enrol(name, tags);
    // Another process enrolled it: the hub hears of it.
    const known = async () => (await hub.ask("GET", `/agents/${name}`)).code;
    await vi.waitFor(async () => expect(await known()).toBe(200), 60_000);
    const stated = { name, os, kernel: "6.1.0-28-amd64", bootId: name };
    const answer = (probe: string): Partial<ResultBody> => ({
      data: recorded(probe),
      reads: [
        { name: "mounts", what: "file /proc/self/mountinfo", bytes: 2_318, ms: 0.4 },
        { name: "space", what: "filesystem: statfs of every mount", bytes: 912, ms: 1.1 },
      ],
      timings: { checks: 0.3, reads: 1.9, scrub: 0.2, guest: 3.4, audit: 1.2, total: 7.4 },
    });
    const said = { ...stated, packs: own, agentVersion: "0.1.0", wall: "separate-user" };
    agents.push(await playAgent(hub, said, stated, enrolled, { answer }));
  }
  await hub.enrol("cache-1", ["env=prod", "role=cache"]);
  const states = async () => {
    const { answer } = await hub.ask("GET", "/agents");
    const list = answer["agents"] as { name: string; attestation: { state: string } }[];
    return list.filter(({ attestation }) => attestation.state === "approved").length;
  };
  await vi.waitFor(async () => expect(await states()).toBe(fleet.length), 30_000);
  agents[3]?.change({ secureBoot: "off", kernel: "6.8.0-49-generic" });
  await hub.ask("POST", "/agents/build-1/quarantine", {
    reason: "Somebody else may log in there.",
  });
  const { id, key } = await makeKey("Claude of the on-call");
  await letIn(id);
  for (const [tool, agent] of [
    ["system_disk_usage", "web-1"],
    ["system_overview", "db-1"],
    ["nginx_status", "web-2"],
    ["system_disk_usage", "web-2"],
    ["system_overview", "build-1"],
    ["system_memory", "web-1"],
    ["system_disk_usage", "web-1"],
  ]) {
    await call(key, tool ?? "", agent ?? "");
  }
}

/** What the pack answered to a recorded call. */
function recorded(probe: string): Record<string, unknown> {
  const [pack = "", ...words] = probe.split(".");
  const file = join(
    import.meta.dirname,
    "../../packs",
    pack,
    "fixtures",
    `${words.join("-")}.json`,
  );
  const { expected } = JSON.parse(readFileSync(file, "utf8")) as { expected: { result: object } };
  return { ...expected.result };
}

type Made = { id: string; key: string };
async function makeKey(name: string): Promise<Made> {
  const policy = { role: "client", agents: "*", probes: "*" };
  return (await hub.ask("POST", "/api-keys", { name, policy })).answer as Made;
}

/** A policy that a key holds, a client that a person let in, one that was refused, and a passkey. */
async function letIn(keyId: string): Promise<void> {
  const policy = {
    ...{ agents: { allow: ["env=prod"] }, tools: { deny: ["docker.**"] } },
    rate: { perMinute: 60, burst: 20 },
  };
  expect((await hub.ask("PUT", "/policies/on-call", { policy })).code).toBe(200);
  const held = { policy: { name: "on-call" } };
  expect((await hub.ask("PUT", `/policy-holders/key:${keyId}`, held)).code).toBe(200);
  const client = createOAuthClient(`http://localhost:${hub.ready.http}`);
  const named = {
    ...{ client_name: "Claude Code", redirect_uris: [CALLBACK] },
    token_endpoint_auth_method: "none",
  };
  const { body } = await client.register(named);
  await client.connect(owner.cookie, {}, String(body["client_id"]));
  const other = { client_name: "Chat", redirect_uris: ["https://chat.example/callback"] };
  expect((await client.register(other)).status).toBe(400);
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into passkeys
    (id, person_id, name, public_key, counter, transports, host, created_at, used_at)
    values ('x', ${owner.id}, 'Laptop', '', 0, '{}', 'localhost', now() - interval '9 days', now())`;
  await database.close();
}

async function call(key: string, name: string, agent: string): Promise<void> {
  const response = await fetch(`http://localhost:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name, arguments: { agent } },
    }),
  });
  await response.text();
}

/** Opens what a page hides first. */
type Prepare = (one: Awaited<ReturnType<ConsoleHost["open"]>>) => Promise<void>;
const PICTURES: [string, string, string, Prepare][] = [
  [
    ...(["fleet", "/", "Fleet"] as const),
    async ({ page }) => {
      await page.getByRole("link", { name: "web-2" }).waitFor();
    },
  ],
  [
    ...(["host", "/hosts/web-1", "web-1"] as const),
    async ({ page }) => {
      await page.getByText("What it may read").first().click();
      await page.getByRole("list", { name: "Reads" }).waitFor();
      await page.getByRole("link", { name: "system.disk.usage" }).first().waitFor();
    },
  ],
  [
    ...(["activity", "/activity", "Activity"] as const),
    async ({ page }) => {
      await page.getByRole("link", { name: "system.disk.usage" }).first().waitFor();
    },
  ],
  [
    ...(["call", "/activity", "Activity"] as const),
    async ({ page }) => {
      await page.getByRole("link", { name: "system.disk.usage" }).first().click();
      await page.getByRole("region", { name: "Hops" }).waitFor();
    },
  ],
  [
    ...(["inbox", "/inbox", "Inbox"] as const),
    async ({ page }) => {
      await page.getByText("sudo sonde-agent approve").first().waitFor();
    },
  ],
  [
    ...(["packs", "/packs/sonde/docker", "sonde/docker"] as const),
    async ({ page }) => {
      await page.getByText("verified", { exact: true }).waitFor();
    },
  ],
  [
    ...(["try", "/try/system_disk_usage?agent=web-1", "system_disk_usage"] as const),
    async ({ page }) => {
      await page.getByRole("button", { name: "What would it read?" }).click();
      const reads = page.getByRole("region", { name: "What it would read" });
      await reads.getByRole("listitem").first().waitFor();
      await page.getByRole("button", { name: "Ask", exact: true }).click();
      await page.getByRole("region", { name: "Answer" }).waitFor();
    },
  ],
  [
    ...(["access", "/access", "Access"] as const),
    async ({ page }) => {
      await page.getByText("this one").waitFor();
    },
  ],
  [
    ...(["policies", "/access", "Access"] as const),
    async ({ page }) => {
      const trial = page.getByRole("region", { name: "Would it be allowed?" });
      await trial.getByLabel("Who").selectOption("Claude of the on-call (key)");
      await trial.getByLabel("Question").fill("system.disk.usage");
      await trial.getByLabel("Host", { exact: true }).fill("build-1");
      await trial.getByRole("button", { name: "Say whether" }).click();
      await trial.getByText("refused", { exact: true }).waitFor();
      await page.getByRole("region", { name: "Policies" }).evaluate((sheet) => {
        sheet.scrollIntoView({ block: "start" });
      });
    },
  ],
  [
    ...(["account", "/account", "Your account"] as const),
    async ({ page }) => {
      await page.getByText("this one").waitFor();
      await page.getByRole("row", { name: /Claude/ }).waitFor();
    },
  ],
];

test.each(PICTURES)("a picture of %s, by day and by night", async (name, path, title, prepare) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const one = await host.open(
      `http://localhost:${hub.ready.http}`,
      { cookie: owner.cookie },
      { viewport: { width: 1280, height: 800 }, colorScheme, reducedMotion: "reduce" },
    );
    await one.go(path, title);
    await prepare(one);
    const file = join(colorScheme === "dark" ? nights : folder, `console-${name}.png`);
    await one.page.screenshot({ path: file });
    // The width of a PNG is its fifth word.
    expect(readFileSync(file).readUInt32BE(16)).toBe(1280);
    expect(await one.findViolations()).toEqual([]);
    expect([one.errors, one.foreign, one.dialogs]).toEqual([[], [], []]);
    await one.close();
  }
});
