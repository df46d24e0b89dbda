import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { signArchive } from "@sonde/pack-sdk/sign";
import { parseRegistryLogStatus } from "@sonde/schemas/hub";
import { type TrustPolicy } from "@sonde/schemas/trust";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { type Account, asAccount, ensureAccounts } from "../../cli/src/start/system-users.ts";
import { readTrustPolicy } from "../../cli/src/trust-policy-file.ts";
import { readVerifiedAudit } from "../product/audit.ts";
import { runProgram } from "../product/run-program.ts";
import { type Product, createDataFolder, startProduct, until } from "../product/start-product.ts";
import {
  type TestPublisher,
  addPublisher,
  buildTestPack,
  findProgram,
  publishBytes,
  trustPublisher,
} from "../product/test-packs.ts";

// Attack 69: an attacker with the registry's data also has its log key and can write two histories.
// One copy serves the hub and its agent, the other a second agent.

const data = createDataFolder();
const copy = mkdtempSync("/tmp/sonde-fork-");
const at = (...parts: string[]) => join(copy, ...parts);
const SECOND = "second-agent";
const children: ChildProcess[] = [];
const accounts = ensureAccounts();
let product: Product;
let acme: TestPublisher;
let forkUrl: string;

beforeAll(async () => {
  chmodSync(copy, 0o755);
  const first = await startProduct({ data });
  acme = await addPublisher(first, "acme");
  trustPublisher(first, acme);
  await first.stop();
  // The folder of a stopped registry holds its whole state: database, archives, key.
  cpSync(join(data, "registry"), at("registry"), {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => !path.endsWith(".sock"),
  });
  giveTo(at("registry"), accounts.registry);
  product = await startProduct({ data });
  forkUrl = await startFork();
});
afterAll(async () => {
  for (const child of children.toReversed()) await end(child);
  await product?.stop();
  for (const folder of [data, copy]) rmSync(folder, { recursive: true, force: true });
});

/** Running as root, the copied folder belongs to root until it is given to the service. */
function giveTo(path: string, { uid, gid }: Account): void {
  if (!accounts.separate) return;
  chownSync(path, uid, gid);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) giveTo(inside, { uid, gid } as Account);
    else if (entry.isFile()) chownSync(inside, uid, gid);
  }
}

/** Starts one of the product's programs as its user. Resolves with its first line. */
async function run(
  account: Account,
  file: string,
  config: object,
): Promise<Record<string, unknown>> {
  const path = at(`${file}.json`);
  writeFileSync(path, JSON.stringify(config), { mode: 0o644 });
  const [node, program] = findProgram(product, file);
  const { command, args } = asAccount(accounts, account, [], [node, program, path]);
  const child = spawn(command, args, {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((done, fail) => {
    lines.once("line", done);
    child.once("exit", (code) => fail(new Error(`${file} ended with ${code}`)));
  });
  return JSON.parse(line) as Record<string, unknown>;
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}

async function startFork(): Promise<string> {
  const ready = await run(accounts.registry, "registry.js", {
    dataDir: at("registry"),
    http: { host: "127.0.0.1", port: 0, behindProxy: false },
    admitPath: findProgram(product, "admit.js")[1],
    maxCapability: "observe",
    supervised: true,
  });
  expect(ready["logKey"]).toBe(readPolicy().logKey);
  return `http://127.0.0.1:${String(ready["port"])}`;
}

function readPolicy(): TrustPolicy {
  const policy = readTrustPolicy(layoutOf(data).trustPolicy);
  if (policy === null) throw new Error("expected a trust policy");
  return policy;
}

/** An agent of the same hub that uses the copy as its registry. */
async function startSecondAgent(): Promise<void> {
  for (const [name, mode, own] of [
    ["state", 0o711, true],
    ["sockets", 0o700, true],
    ["grants", 0o755, false],
  ] as const) {
    mkdirSync(at(name), { mode });
    if (own && accounts.separate) chownSync(at(name), accounts.agent.uid, accounts.agent.gid);
  }
  const policy = { ...readPolicy(), registry: forkUrl };
  writeFileSync(at("trust.json"), JSON.stringify(policy), { mode: 0o644 });
  const { body } = await product.hub.send("POST", "/enrolment-tokens", {
    body: { agentName: SECOND },
  });
  const { token, enrolAddress } = body as { token: string; enrolAddress: string };
  const { hostname, port } = new URL(`https://${enrolAddress}`);
  const tokenFile = at("token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  if (accounts.separate) chownSync(tokenFile, accounts.agent.uid, accounts.agent.gid);
  const enrolled = await run(accounts.agent, "enrol.js", {
    stateDir: at("state"),
    host: hostname,
    port: Number(port),
    agentName: SECOND,
    tokenFile,
  });
  expect(enrolled).toMatchObject({ enrolled: true });
  const admit = findProgram(product, "admit.js")[1];
  await run(accounts.agent, "agent.js", {
    stateDir: at("state"),
    grantsDir: at("grants"),
    trustPolicyPath: at("trust.json"),
    admitPath: admit,
    runners: [],
    maxCapability: "observe",
    sameUid: !accounts.separate,
    supervised: true,
  });
}

const readStatus = async () =>
  parseRegistryLogStatus((await product.hub.send("GET", "/registry")).body);

/** Publishes a version whose code differs by `word`, as its publisher would. */
async function publish(registryUrl: string, word: string): Promise<void> {
  const pack = {
    name: "acme/said",
    version: "1.0.0",
    sources: 'export const load = source.file({ path: "/proc/loadavg" });',
    probes: `say: probe({ description: "Says a word.", capability: "observe", params: t.object({}),
  result: t.object({ word: t.string() }), reads: { load: sources.load }, run: () => ({ word: "${word}" }) })`,
  };
  const { archive } = await buildTestPack(pack);
  const bundle = signArchive(archive, acme.privateKey);
  await publishBytes({ ...product, registryUrl }, acme, pack, archive, bundle);
}

test("attack 69: two histories under one log key always raise an alarm", async () => {
  await startSecondAgent();
  // While both copies have the same log, there is no alarm.
  await until("the second agent to have looked", async () => {
    const rows = await readVerifiedAudit(product);
    return rows.some(({ record }) => record.event === "agent.connected" && record.agent === SECOND);
  });
  await publish(product.registryUrl, "for everybody");
  await publish(forkUrl, "for one agent alone");
  const assign = (agent: string) =>
    product.hub.send("PUT", `/agents/${agent}/packs/acme/said`, { body: { version: "^1" } });
  expect((await readStatus()).forks).toEqual([]);
  const asked = ["hub", "registry", "--data", product.data];
  expect(await runProgram("sonde", asked)).toMatchObject({ code: 0, err: "" });
  expect((await assign(product.agent)).status).toBe(200);
  expect((await assign(SECOND)).status).toBe(200);

  const status = await until(
    "the fork to be seen",
    async () => {
      const seen = await readStatus();
      return seen.forks.length > 0 && seen;
    },
    60_000,
  );
  expect(status.forks.map(({ agent }) => agent)).toEqual([SECOND]);
  const alarms = (await readVerifiedAudit(product)).filter(
    ({ record }) => record.event === "registry.inconsistent",
  );
  expect(alarms.map(({ record }) => record.agent)).toEqual([SECOND]);
  // The forked version is not installed anywhere. Nothing more is installed until a person acts.
  expect(
    readdirSync(at("state")).includes("packs") ? readdirSync(at("state", "packs")) : [],
  ).toEqual([]);
  const refused = await assign(product.agent);
  expect(refused.body).toMatchObject({ error: { code: "REGISTRY_LOG_INCONSISTENT" } });
  const told = await runProgram("sonde", asked);
  expect(told.code).toBe(1);
  expect(told.out).toContain(`ALARM: ${SECOND} was shown a different log`);
});
