// `npm run bench [-- --quick]`, `npm run bench -- registry [--quick]`: starts everything for real,
// measures, and prints one JSON on standard output. Never part of the tests, because timings on a
// shared machine are not reliable.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { createDataFolder, startProduct, workspace } from "../product/start-product.ts";
import { measureAlone } from "./alone.ts";
import { measureFloors } from "./floors.ts";
import { createToolCaller } from "./mcp-load.ts";
import { cpuMs, descendants, pidsNaming, pssMb } from "./process-figures.ts";
import { measureRegistry } from "./registry.ts";
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
const say = (text: string) => process.stderr.write(`${text}\n`);

/**
 * The comparison: a comparable product on such a machine, in calls per second at concurrency 16,
 * with one `df` per call.
 */
const PEER_PER_SECOND = 233;

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
  const caller = createToolCaller(product.mcpUrl, product.apiKey, tool, { agent: product.agent });
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
  const before = new Map(
    [...processesOf(product)].map(([role, pids]) => [
      role,
      pids.map((pid) => [pid, cpuMs(pid)] as const),
    ]),
  );
  const sequential = summarize(await timeEach(count, call));
  const cpuPerCallMs = Object.fromEntries(
    [...before].map(([role, pids]) => [
      role,
      round(pids.reduce((sum, [pid, then]) => sum + cpuMs(pid) - then, 0) / count),
    ]),
  );
  const totalCpuPerCallMs = round(Object.values(cpuPerCallMs).reduce((sum, ms) => sum + ms, 0));
  return { sequential, cpuPerCallMs, totalCpuPerCallMs };
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
  const caller = createToolCaller(product.mcpUrl, product.apiKey, "system_disk_usage", {
    agent: product.agent,
  });
  await caller.call();
  const ms = performance.now() - started;
  caller.close();
  await product.stop();
  for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
  return round(ms / 1000);
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
  if (process.argv.includes("registry")) return print(await measureRegistry(quick, say));
  if (process.argv.includes("verify")) return print(await measureVerify(quick ? 100 : 500));
  const data = createDataFolder();
  say("floors ...");
  const floors = await measureFloors(ROUNDS);
  say("product ...");
  const product = await startProduct({ data });
  const probes = {
    fileRead: await measureProbe(product, "system_memory_usage"),
    exec: await measureProbe(product, "system_kernel_version"),
  };
  const callsMade = 2 * (1 + COLD_CALLS + WARM_UP_CALLS + ROUNDS + ROUNDS * 2);
  const auditRows = await countAuditRows(product);
  const withOthersPssMb = Object.fromEntries(
    Object.entries(product.pids).map(([role, pid]) => [role, pssMb(pid)]),
  );
  const accountOf = (role: string) => {
    const { uid, gid } = statSync(`/proc/${product.pids[role]}`);
    return { uid, gid };
  };
  const accounts = {
    registry: accountOf("registry"),
    hub: accountOf("hub"),
    agent: accountOf("agent"),
  };
  await product.stop();
  say("each service alone ...");
  const alone = {
    registry: await measureAlone(data, "registry", accounts.registry),
    hub: await measureAlone(data, "hub", accounts.hub),
    agent: await measureAlone(data, "agent", accounts.agent),
  };
  rmSync(data, { recursive: true, force: true });
  say("clone to first answer ...");
  const cloneToFirstAnswerSeconds = quick ? null : await measureFirstAnswer();

  const ownMs = round(
    probes.fileRead.sequential.p50Ms - floors.commit.p50Ms - floors.fdatasync.p50Ms,
  );
  const ambitions = [
    {
      what: "p50 of a read probe minus one commit and one fdatasync, ms",
      limit: 3,
      got: ownMs,
      met: ownMs <= 3,
    },
    {
      what: "CPU per read call over all processes, ms",
      limit: 3,
      got: probes.fileRead.totalCpuPerCallMs,
      met: probes.fileRead.totalCpuPerCallMs <= 3,
    },
    {
      what: "calls/s at concurrency 16 against the peer, times",
      limit: 2.5,
      got: round(probes.fileRead.perSecondAt16 / PEER_PER_SECOND),
      met: probes.fileRead.perSecondAt16 >= 2.5 * PEER_PER_SECOND,
    },
    {
      what: "agent idle, MB",
      limit: 60,
      got: alone.agent.idlePssMb,
      met: alone.agent.idlePssMb <= 60,
    },
    {
      what: "hub idle without its database, MB",
      limit: 90,
      got: alone.hub.idlePssMb,
      met: alone.hub.idlePssMb <= 90,
    },
    {
      what: "audit rows for calls made",
      limit: callsMade,
      got: auditRows,
      met: auditRows === callsMade,
    },
  ];
  print({ floors, probes, withOthersPssMb, alone, cloneToFirstAnswerSeconds, ambitions });
}

await main();
