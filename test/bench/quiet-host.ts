import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { withListeningSocket } from "../../cli/src/start/listening-socket.ts";
import { serviceFlags } from "../../cli/src/start/start-service.ts";
import { ensureAccounts } from "../../cli/src/start/system-users.ts";
import { createDataFolder, startProduct } from "../product/start-product.ts";
import { addPublisher, installPack, trustPublisher } from "../product/test-packs.ts";
import { endService, firstOutput, startService } from "./alone.ts";
import { cpuMs, pssMb } from "./process-figures.ts";
import { round } from "./statistics.ts";

const PACKS = 10;
const SETTLE_MS = 20_000;

/** What a process takes while nothing is asked of it. */
type Idle = { pssMb: number; cpuPercent: number };

/**
 * An agent with ten packs that is connected to its hub and asked nothing, beside a Node process that
 * does nothing; and how long agents take from their start until they are connected, beside the start
 * of such a process.
 */
export async function measureQuietHost(quick: boolean, say: (text: string) => void) {
  const data = createDataFolder();
  await installPacks(data, say);

  const seconds = quick ? 20 : 60;
  const starts: { connectedMs: number; floorMs: number }[] = [];
  const hub = startService(data, "hub");
  await firstOutput(hub, '"ready":true');
  const place = { path: join(data, "runner/runner.sock"), owner: ensureAccounts().agent };
  const runner = withListeningSocket(place, (fd) => startService(data, "runner", [fd]));
  await firstOutput(runner, "\n");
  say("cold starts ...");
  for (let attempt = 0; attempt < (quick ? 3 : 7); attempt += 1) {
    const { child: bare, ms: floorMs } = await startBare();
    await endService(bare);
    const { child, ms: connectedMs } = await startAgent(data);
    await endService(child);
    starts.push({ connectedMs, floorMs });
  }
  say("an idle agent ...");
  const { child: agent } = await startAgent(data);
  const { child: bare } = await startBare();
  const [idle, runnerIdle, floor] = await measureIdle([agent, runner, bare], seconds);
  for (const child of [agent, bare, runner, hub]) await endService(child);

  const middle = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
  const connectedMs = round(middle(starts.map((start) => start.connectedMs)));
  const cpuPercent = idle?.cpuPercent ?? NaN;
  return {
    packs: PACKS,
    seconds,
    coldStart: {
      connectedMs,
      floorMs: round(middle(starts.map((start) => start.floorMs))),
      starts,
    },
    idle: { agent: idle, runnerThatNeverRests: runnerIdle, bareNode: floor },
    ambitions: [
      {
        what: "agent with ten packs, idle, MB (its runner has ended on an installed host)",
        limit: 55,
        got: idle?.pssMb,
        met: (idle?.pssMb ?? NaN) <= 55,
      },
      { what: "its CPU, % of a core", limit: 0.1, got: cpuPercent, met: cpuPercent <= 0.1 },
      {
        what: "cold start to connected, ms",
        limit: 350,
        got: connectedMs,
        met: connectedMs <= 350,
      },
    ],
  };
}

/** Makes a data folder whose agent has ten packs in service. Nothing runs afterwards. */
async function installPacks(data: string, say: (text: string) => void): Promise<void> {
  await using product = await startProduct({ data });
  say(`${PACKS} packs are installed ...`);
  const publisher = await addPublisher(product, "bench");
  trustPublisher(product, publisher);
  const missing = PACKS - product.packs.filter(({ state }) => state === "active").length;
  for (let index = 1; index <= missing; index += 1) {
    await installPack(product, publisher, {
      name: `bench/pack-${index}`,
      version: "1.0.0",
      sources: `export const load = source.file({ path: "/proc/loadavg" });`,
      probes: `load: probe({ description: "Reads the load of this host.", result: t.object({ looks: t.integer() }),
        reads: { load: sources.load }, run: ({ reads }) => ({ looks: reads.load.samples.length }) })`,
    });
  }
}

async function startAgent(data: string): Promise<{ child: ChildProcess; ms: number }> {
  const begun = performance.now();
  const child = startService(data, "agent");
  for await (const line of createInterface({ input: child.stderr ?? process.stdin })) {
    if (line.includes('"hub.connected"')) break;
  }
  child.stderr?.resume();
  return { child, ms: performance.now() - begun };
}

/** Node with the flags of a service, and nothing to do. */
async function startBare(): Promise<{ child: ChildProcess; ms: number }> {
  const begun = performance.now();
  const script = "process.stdout.write('\\n'); setInterval(() => {}, 2 ** 30)";
  const child = spawn(process.execPath, [...serviceFlags("agent"), "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout !== null) await once(child.stdout, "data");
  return { child, ms: performance.now() - begun };
}

async function measureIdle(children: ChildProcess[], seconds: number): Promise<Idle[]> {
  const pids = children.map(({ pid = 0 }) => pid);
  await sleep(SETTLE_MS);
  const before = pids.map(cpuMs);
  await sleep(seconds * 1_000);
  return pids.map((pid, index) => ({
    pssMb: pssMb(pid),
    cpuPercent: round((cpuMs(pid) - (before[index] ?? 0)) / (seconds * 10)),
  }));
}
