// `npm run bench [-- --quick]`, `npm run bench -- registry|agent|scrub|verify [--quick]`,
// `npm run bench -- audit [--quick] [--rows N]`: starts everything for real,
// measures, and prints one JSON on standard output. Never part of the tests, because timings on a
// shared machine are not reliable.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createDataFolder, startProduct, workspace } from "../product/start-product.ts";
import { measureAgent } from "./agent.ts";
import { measureAudit } from "./audit.ts";
import { SETTLE_MS } from "./alone.ts";
import { measureFloors } from "./floors.ts";
import {
  type Comparison,
  compare,
  cpuSince,
  readCpu,
  type Rounds,
  startStandIn,
} from "./comparison.ts";
import { idleRows, measureAllAlone, readPss } from "./memory.ts";
import { createToolCaller, type Generation, type ToolCaller } from "./mcp-load.ts";
import { descendants, pidsNaming } from "./process-figures.ts";
import { measureRegistry } from "./registry.ts";
import { measureScrub } from "./scrub.ts";
import { measureVerify } from "./verify.ts";
import { ratePerSecond, round, summarize, timeEach } from "./statistics.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 100 : 500;
/**
 * The first calls are reported separately. Further calls warm up the JIT compilers of every
 * process.
 */
const COLD_CALLS = 100;
const WARM_UP_CALLS = quick ? 500 : 2_000;
const COMPARISON: Rounds = quick
  ? { rounds: 5, sequential: 50, parallel: 200 }
  : { rounds: 10, sequential: 100, parallel: 500 };
const COMPARISON_CALLS =
  4 * (WARM_UP_CALLS + COMPARISON.rounds * (COMPARISON.sequential + COMPARISON.parallel));
const say = (text: string) => process.stderr.write(`${text}\n`);

type Product = Awaited<ReturnType<typeof startProduct>>;

/**
 * Role -> its process ids, with every process that it started (PostgreSQL of the hub, pack hosts).
 */
function processesOf(product: Product): Map<string, number[]> {
  const roles = new Map<string, number[]>();
  for (const [role, pid] of Object.entries(product.pids)) {
    if (role !== "supervisor") roles.set(role, descendants(pid));
  }
  roles.set("hub-postgres", postgresOf(join(product.data, "hub")));
  return roles;
}

/**
 * The embedded server runs detached. Its postmaster's command line names the data folder; its
 * backends' command lines do not.
 */
function postgresOf(folder: string): number[] {
  const [postmaster] = pidsNaming(join(folder, "postgres"));
  return postmaster === undefined ? [] : descendants(postmaster);
}

async function measureProbe(product: Product, tool: string) {
  const caller = await callerOf(product, tool, "stateless");
  // Starts the pack's process, which is measured from here on.
  await caller.call();
  const cold = await measureWindow(product, COLD_CALLS, () => caller.call());
  await timeEach(WARM_UP_CALLS, () => caller.call());
  const warm = await measureWindow(product, ROUNDS, () => caller.call());
  const perSecondAt16 = await ratePerSecond(ROUNDS * 2, 16, () => caller.call());
  caller.close();
  return { tool, cold, ...warm, perSecondAt16 };
}

/** Sequential calls, with the CPU time that each role spent per call. */
async function measureWindow(product: Product, count: number, call: () => Promise<void>) {
  const before = readCpu(processesOf(product));
  const sequential = summarize(await timeEach(count, call));
  const cpuPerCallMs = cpuSince(before, count);
  const totalCpuPerCallMs = round(Object.values(cpuPerCallMs).reduce((sum, ms) => sum + ms, 0));
  return { sequential, cpuPerCallMs, totalCpuPerCallMs };
}

function callerOf(product: Product, tool: string, generation: Generation): Promise<ToolCaller> {
  const server = { url: product.mcpUrl, key: product.apiKey, generation };
  return createToolCaller(server, tool, { agent: product.agent });
}

/** Both tools with both generations of clients, each beside the stand-in. */
async function compareWithStandIn(product: Product): Promise<Comparison[]> {
  const standIn = await startStandIn();
  const found: Comparison[] = [];
  for (const generation of ["stateless", "handshake"] as const) {
    const other = await standIn.side(generation);
    await timeEach(WARM_UP_CALLS, () => other.caller.call());
    for (const tool of ["system_disk_usage", "system_memory_usage"]) {
      say(`${tool} beside the stand-in, ${generation} ...`);
      const caller = await callerOf(product, tool, generation);
      await timeEach(WARM_UP_CALLS, () => caller.call());
      const own = { caller, processes: () => processesOf(product) };
      found.push({ tool, generation, ...(await compare(own, other, COMPARISON)) });
      caller.close();
    }
    other.caller.close();
  }
  standIn.stop();
  return found;
}

/** Compares the number of calls with the rows in the audit log, which must not lose any. */
async function countAuditRows(product: Product): Promise<number> {
  let count = 0;
  for (let afterSeq = 0; ; ) {
    const { body } = await product.hub.send("GET", `/audit?afterSeq=${afterSeq}&limit=1000`);
    const entries = body["entries"] as { seq: number; record: { event: string } }[];
    count += entries.filter(({ record }) => record.event === "call.request").length;
    const last = entries.at(-1);
    if (entries.length < 1000 || last === undefined) return count;
    afterSeq = last.seq;
  }
}

/**
 * From a fresh clone to the line that says everything runs, with dependencies from the package
 * cache.
 */
async function measureFirstAnswer(): Promise<number> {
  const folder = mkdtempSync("/tmp/sonde-clone-");
  const data = createDataFolder();
  const started = performance.now();
  execFileSync("git", ["clone", "-q", workspace, join(folder, "sonde")]);
  const product = await startProduct({ data, workspace: join(folder, "sonde") });
  const caller = await callerOf(product, "system_disk_usage", "stateless");
  await caller.call();
  const ms = performance.now() - started;
  caller.close();
  await product.stop();
  for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
  return round(ms / 1000);
}

/** How many entries the audit log has that is asked. */
function readRows(): number {
  const at = process.argv.indexOf("--rows");
  const rows = at === -1 ? 1_000_000 : Number(process.argv[at + 1]);
  if (Number.isSafeInteger(rows) && rows >= 10_000) return rows;
  throw new Error("expected --rows with a number of at least 10000");
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryMb: Math.round(totalmem() / 2 ** 20),
  kernel: release(),
  node: process.version,
};

function print(result: object): void {
  process.stdout.write(`${JSON.stringify({ machine, ...result }, null, 2)}\n`);
}

async function main(): Promise<void> {
  // Parts of the product that are also measured separately.
  if (process.argv.includes("scrub")) return print(await measureScrub(quick));
  if (process.argv.includes("agent")) return print(await measureAgent(quick, say));
  if (process.argv.includes("audit")) return print(await measureAudit(quick, readRows(), say));
  if (process.argv.includes("registry")) return print(await measureRegistry(quick, say));
  if (process.argv.includes("verify")) return print(await measureVerify(quick ? 100 : 500));
  const data = createDataFolder();
  say("floors ...");
  const floors = await measureFloors(ROUNDS);
  say("product ...");
  const product = await startProduct({ data });
  await sleep(SETTLE_MS);
  const idlePssMb = readPss(product.pids);
  const probes = {
    fileRead: await measureProbe(product, "system_memory_usage"),
    exec: await measureProbe(product, "system_kernel_version"),
  };
  const comparisons = await compareWithStandIn(product);
  const callsMade = 2 * (1 + COLD_CALLS + WARM_UP_CALLS + ROUNDS + ROUNDS * 2) + COMPARISON_CALLS;
  const auditRows = await countAuditRows(product);
  const afterLoadPssMb = readPss(product.pids);
  await product.stop();
  say("each service alone ...");
  const alone = await measureAllAlone(data);
  rmSync(data, { recursive: true, force: true });
  say("clone to first answer ...");
  const cloneToFirstAnswerSeconds = quick ? null : await measureFirstAnswer();

  const ownMs = round(
    probes.fileRead.sequential.p50Ms - floors.commit.p50Ms - floors.fdatasync.p50Ms,
  );
  const worst = {
    cpu: Math.max(...comparisons.map(({ sonde }) => sonde.cpuPerCallMs.sequential.total)),
    cpuAt16: Math.max(...comparisons.map(({ sonde }) => sonde.cpuPerCallMs.at16.total)),
    rateRatio: Math.min(...comparisons.map(({ rateRatio }) => rateRatio)),
    p50Ratio: Math.max(...comparisons.map(({ p50Ratio }) => p50Ratio)),
  };
  const ambitions = [
    {
      what: "p50 of a read probe minus one commit and one fdatasync, ms",
      limit: 3,
      got: ownMs,
      met: ownMs <= 3,
    },
    {
      what: "CPU per sequential call over all processes, worst of both tools and generations, ms",
      limit: 3,
      got: worst.cpu,
      met: worst.cpu <= 3,
    },
    {
      what: "the same at 16 callers, ms",
      limit: 3,
      got: worst.cpuAt16,
      met: worst.cpuAt16 <= 3,
    },
    {
      what: "calls/s at 16 callers divided by the stand-in's, worst of both tools and generations",
      limit: 2,
      got: worst.rateRatio,
      met: worst.rateRatio >= 2,
    },
    {
      what: "sequential p50 divided by the stand-in's, worst of both tools and generations",
      limit: 1,
      got: worst.p50Ratio,
      met: worst.p50Ratio <= 1,
    },
    ...idleRows(idlePssMb, alone),
    {
      what: "audit rows for calls made",
      limit: callsMade,
      got: auditRows,
      met: auditRows === callsMade,
    },
  ];
  print({
    floors,
    probes,
    comparisons,
    idlePssMb,
    afterLoadPssMb,
    alone,
    cloneToFirstAnswerSeconds,
    ambitions,
  });
}

await main();
