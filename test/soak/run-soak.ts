import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditEntry } from "@sonde/schemas/audit";
import { readVerifiedAgentAudit, readVerifiedAudit } from "../product/audit.ts";
import { runProgram } from "../product/run-program.ts";
import { type SecondHub, startSecondHub } from "../product/second-hub.ts";
import { type Product, startProduct } from "../product/start-product.ts";
import { addPublisher, installPack, trustPublisher } from "../product/test-packs.ts";
import { type Checked, checkHistory, describeRule, type Violation } from "./check-history.ts";
import { mountDisk } from "./disks.ts";
import { startDatabase } from "./database.ts";
import { planFaults } from "./faults.ts";
import { createFakedClock, giveHostClock } from "./host-clock.ts";
import { createRandom } from "./random.ts";
import { startTraffic, type Traffic } from "./traffic.ts";
import { joinSwarm } from "./join-swarm.ts";
import { createWorld, type Victim, type World } from "./world.ts";

export type SoakOptions = {
  seed: number;
  minutes: number;
  /** Kinds of faults. */
  faults: readonly string[];
  /** An empty folder for all that is made. */
  folder: string;
  say: (text: string) => void;
};

export type SoakReport = {
  seed: number;
  minutes: number;
  /** By kind. */
  faults: Record<string, number>;
  /** By what clients heard. */
  answers: Record<string, number>;
  entries: { hub: number; agent: number };
  /** The longest time from the end of a fault to an answer from each hub. */
  slowestRecoveryMs: number;
  /** The most memory that a process of the first hub ever had. */
  hubPeakMb: number;
  checked: Checked;
  /** In words; none: the soak passed. */
  violations: string[];
};

const DISK_BYTES = 2 * 2 ** 30;
const HOST_DISK_BYTES = 256 * 2 ** 20;
const RECOVERY_MS = 90_000;
const SETTLE_MS = 60_000;
const CALM_MS = { least: 500, most: 1_500 };
const MOST_TOLD = 50;
/** Several times what one has with all agents connected. */
const MOST_HUB_MB = 512;
const SLOW_PACK = {
  name: "acme/slow",
  version: "1.0.0",
  sources: `export const load = source.file({ path: "/proc/loadavg", samples: { count: 2, intervalMs: 700 } });`,
  probes: `look: probe({ description: "Looks for a while.", result: t.object({ looks: t.integer() }),
  reads: { load: sources.load }, run: ({ reads }) => ({ looks: reads.load.samples.length }) })`,
};
/**
 * Starts the product with a second hub on the same database, has clients ask both, lets one thing
 * after another go wrong, and judges what all of them have on record at the end.
 */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { folder } = options;
  chmodSync(folder, 0o755);
  const own = mountDisk(join(folder, "disk"), join(folder, "disk.img"), DISK_BYTES);
  // The database's folder too is on that disk.
  process.env["TMPDIR"] = own.folder;
  const database = await startDatabase(own.folder);
  const data = join(own.folder, "data");
  mkdirSync(data, { mode: 0o755 });
  const host = mountDisk(join(data, "agent"), join(folder, "host.img"), HOST_DISK_BYTES);
  const clocks = {
    host: createFakedClock(join(folder, "host-clock")),
    "second hub": createFakedClock(join(folder, "second-hub-clock")),
  };
  giveHostClock(data, clocks.host, folder);
  const product = await startProduct({ data, env: { DATABASE_URL: database.url } });
  const env = clocks["second hub"].variables;
  const second = await startSecondHub(product, { env, log: join(folder, "second-hub.log") });
  const parts = { product, second, database, disks: [own, host] as const, clocks, folder };
  try {
    await installSlowPack(product);
    await using swarm = await joinSwarm(product, database.url);
    return await soak(options, product, second, createWorld({ ...parts, swarm }));
  } finally {
    await second.stop();
    await product.stop();
    await database.close();
  }
}

async function installSlowPack(product: Product): Promise<void> {
  const acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  await installPack(product, acme, SLOW_PACK);
}

async function soak(
  { seed, minutes, faults: kinds, say, folder }: SoakOptions,
  product: Product,
  second: SecondHub,
  world: World,
): Promise<SoakReport> {
  const begun = performance.now();
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
  const doors = [product, { mcpUrl: second.mcpUrl, apiKey: product.apiKey }];
  const random = createRandom(seed);
  const faults: Record<string, number> = {};
  const lost: string[] = [];
  let slowestRecoveryMs = 0;
  let hubPeakMb = 0;
  // Its own numbers: the faults of a seed do not depend on how often clients could ask.
  const traffic = startTraffic(doors, {
    ...{ agent: product.agent, slowTool: "acme__slow_look", random: createRandom(seed + 1) },
  });
  for (const fault of planFaults(random, kinds)) {
    const { kind, name, spares = [] } = fault;
    if (performance.now() - begun > minutes * 60_000) break;
    await sleep(random.integer(CALM_MS.least, CALM_MS.most));
    const before = spares.map((victim) => world.pidOf(victim));
    const seen = await fault.happen(world);
    say(`${seconds()} s  ${name}${seen === null ? "" : `: ${seen}`}`);
    faults[kind] = (faults[kind] ?? 0) + 1;
    const healed = performance.now();
    const isWell = await untilWell(traffic, doors);
    const ms = performance.now() - healed;
    slowestRecoveryMs = Math.max(slowestRecoveryMs, Math.round(ms));
    if (!isWell) {
      lost.push(`recovery: no answer from both hubs within ${RECOVERY_MS} ms after: ${name}`);
      break;
    }
    lost.push(...listEnded(world, spares, before).map((one) => `the ${one} ended: ${name}`));
    hubPeakMb = Math.max(hubPeakMb, peakMb(world.pidOf("hub")));
    say(`${seconds()} s  both hubs answer; ${traffic.asked.length} questions so far`);
  }
  if (hubPeakMb > MOST_HUB_MB) lost.push(`memory: a hub had ${hubPeakMb} MB`);
  await traffic.stop();
  const { hub, agent } = await readSettled(product);
  const history = { asked: traffic.asked, hub, agent: { name: product.agent, entries: agent } };
  writeFileSync(join(folder, "history.json"), JSON.stringify(history));
  const { violations, checked } = checkHistory(history);
  const broken = await verifyLogs(product, agent, folder);
  return {
    ...{ seed, minutes, faults, answers: countAnswers(traffic) },
    ...{ entries: { hub: hub.length, agent: agent.length }, slowestRecoveryMs, hubPeakMb, checked },
    violations: [...lost, ...broken, ...violations.slice(0, MOST_TOLD).map(describe)],
  };
}

function listEnded(world: World, spared: readonly Victim[], before: readonly number[]): Victim[] {
  return spared.filter((victim, place) => world.pidOf(victim) !== before[place]);
}

function peakMb(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}

async function untilWell(
  traffic: Traffic,
  doors: readonly Parameters<Traffic["isWell"]>[0][],
): Promise<boolean> {
  const end = performance.now() + RECOVERY_MS;
  while (performance.now() < end) {
    const answers = await Promise.all(doors.map((door) => traffic.isWell(door)));
    if (answers.every(Boolean)) return true;
    await sleep(100);
  }
  return false;
}

/** Both logs, each verified, once every request has an outcome or has had time for it. */
async function readSettled(product: Product): Promise<{ hub: AuditEntry[]; agent: AuditEntry[] }> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const hub = await readVerifiedAudit(product);
    const ended = new Set(
      hub
        .filter(({ record }) => record.event !== "call.request")
        .map(({ record }) => record.callId),
    );
    const isSettled = hub.every(({ record }) => ended.has(record.callId));
    if (isSettled || performance.now() > end) {
      return { hub, agent: readVerifiedAgentAudit(product) };
    }
    await sleep(500);
  }
}

/** `sonde audit verify`, with the agent's own log beside it, as an auditor runs it. */
async function verifyLogs(
  { data, agent: name }: Product,
  agent: readonly AuditEntry[],
  folder: string,
): Promise<string[]> {
  const file = join(folder, "agent.jsonl");
  writeFileSync(file, agent.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  const words = ["audit", "verify", "--agent-log", `${name}=${file}`, "--data", data];
  const { code, out, err } = await runProgram("sonde", words);
  return code === 0 ? [] : [`sonde audit verify: ${out}${err}`];
}

function countAnswers({ asked }: Traffic): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of asked) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

function describe({ rule, callId, found }: Violation): string {
  return `${describeRule(rule)}; call ${callId ?? "none"}: ${found}`;
}
