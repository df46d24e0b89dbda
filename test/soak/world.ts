import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { findPid, type Role } from "../product/processes.ts";
import type { SecondHub } from "../product/second-hub.ts";
import type { Product } from "../product/start-product.ts";
import type { Swarm } from "../product/swarm/start-swarm.ts";
import type { Database } from "./database.ts";
import type { Disk } from "./disks.ts";
import type { FakedClock } from "./host-clock.ts";

const run = promisify(execFile);
/** Simulated agents at the first hub, beside the real one. */
export const SWARM = 100;
const BACK_MS = 60_000;

/** Who can be hurt: the services of `npm start`, and a second hub on the same database. */
export type Victim = Role | "second hub";
/** In which direction packets between the agent and its hub are lost. */
export type Direction = "both ways" | "to the hub" | "to the agent";

export type Injected = { seen: string | null; hasEnded: boolean };

/** What the faults do, on the machine of this process alone: its own network, mounts and processes. */
export type World = {
  kill(victim: Victim): Promise<void>;
  pidOf(victim: Victim): number;
  signal(victim: Victim, name: NodeJS.Signals): void;
  /**
   * Has the kernel do something at system calls of a process (strace(1), `--inject`), for that time
   * or until the process ends.
   *
   * @returns the last of these calls, or null when the process did none; and whether the process ended
   */
  injectInto(victim: Victim, calls: string, injection: string, ms: number): Promise<Injected>;
  /** Starts the second hub again if it has ended. The others have a supervisor. */
  reviveSecondHub(): Promise<void>;
  database: Pick<Database, "crash" | "signal" | "failOver">;
  network: {
    lose(direction: Direction): Promise<void>;
    heal(): Promise<void>;
    /** Ends each connection of an agent with a reset. */
    reset(): Promise<void>;
  };
  /** Takes all room on the disks of agent, product and database, and gives it back. */
  disk: { fill(): Promise<void>; free(): void };
  /** Ends agent and runner with what their host's disk has at that moment, and starts them on it. */
  cutPower(): Promise<void>;
  /** How far the clock of the agent's host is off, or that of the second hub. */
  clocks: Record<"host" | "second hub", Pick<FakedClock, "set">>;
  /** Ends the connections of all agents, and perhaps the hub. Resolves when all simulated ones are back. */
  storm(isHubKilled: boolean): Promise<void>;
};

export type WorldParts = {
  product: Product;
  second: SecondHub;
  database: Database;
  /** That of the product and the database, and that of the agent's own files. */
  disks: readonly [Disk, Disk];
  clocks: Record<"host" | "second hub", FakedClock>;
  swarm: Swarm;
  /** A folder for what tools say. */
  folder: string;
};

export function createWorld(parts: WorldParts): World {
  const { product, second, database, disks, clocks, folder, swarm } = parts;
  const [, hostDisk] = disks;
  const port = readControlPort(product);
  const pidOf = (victim: Victim): number => {
    const pid = victim === "second hub" ? second.pid() : findPid(product, victim);
    if (pid === undefined || pid === 0) throw new Error(`expected a running ${victim}, got none`);
    return pid;
  };
  const signal = (victim: Victim, name: NodeJS.Signals) => process.kill(pidOf(victim), name);
  const reset = async () => void (await run("ss", ["-K", "-t", "dport", "=", String(port)]));
  return {
    ...{ signal, pidOf, clocks },
    async kill(victim) {
      signal(victim, "SIGKILL");
      if (victim === "second hub") await second.killAndRestart();
    },
    injectInto: (victim, calls, injection, ms) =>
      injectInto(pidOf(victim), join(folder, "calls"), calls, injection, ms),
    async reviveSecondHub() {
      if (!isRunning(second.pid())) await second.killAndRestart();
    },
    database,
    network: {
      async lose(direction) {
        const rules = [
          ...(direction === "to the agent" ? [] : [`tcp dport ${port} drop`]),
          ...(direction === "to the hub" ? [] : [`tcp sport ${port} drop`]),
        ];
        await run("nft", ["add table inet soak"]);
        await run("nft", ["add chain inet soak in { type filter hook input priority 0; }"]);
        for (const rule of rules) await run("nft", [`add rule inet soak in ${rule}`]);
      },
      heal: async () => void (await run("nft", ["delete table inet soak"])),
      reset,
    },
    disk: {
      async fill() {
        for (const one of disks) await one.fill();
      },
      free() {
        for (const one of disks) one.free();
      },
    },
    async cutPower() {
      const agent = pidOf("agent");
      const supervisor = parentOf(agent);
      // It would start them again at once.
      process.kill(supervisor, "SIGSTOP");
      for (const victim of ["agent", "runner"] as const) signal(victim, "SIGKILL");
      while (isRunning(agent)) await sleep(1);
      await hostDisk.loseMemory();
      process.kill(supervisor, "SIGCONT");
    },
    async storm(isHubKilled) {
      if (isHubKilled) signal("hub", "SIGKILL");
      await reset();
      await swarm.until(({ connected }) => connected < SWARM, BACK_MS);
      await swarm.until(({ connected }) => connected === SWARM, BACK_MS);
    },
  };
}

/** Of the hub as the agent reaches it; what the hub is configured with may be any free one. */
function readControlPort({ data }: Product): number {
  const { controlAddress } = readIdentity(join(data, "agent/identity"));
  return Number(new URL(`tcp://${controlAddress}`).port);
}

async function injectInto(
  pid: number,
  file: string,
  calls: string,
  injection: string,
  ms: number,
): Promise<Injected> {
  const inject = `inject=${calls}:${injection}`;
  const words = [
    "-f",
    "-qq",
    "-y",
    "-o",
    file,
    "-e",
    `trace=${calls}`,
    "-e",
    inject,
    "-p",
    `${pid}`,
  ];
  const tracer = spawn("strace", words, { stdio: "ignore" });
  const ended = once(tracer, "exit");
  const enough = new AbortController();
  // strace lets go of the process when it is interrupted.
  let hasEnded = true;
  const stop = sleep(ms, undefined, { signal: enough.signal }).then(
    () => {
      hasEnded = false;
      tracer.kill("SIGINT");
    },
    () => undefined,
  );
  await ended;
  enough.abort();
  await stop;
  const lines = readFileSync(file, "utf8").split("\n");
  rmSync(file);
  // The number of the thread comes first.
  const last = lines.findLast((line) => /^\d+ +\w+\(/.test(line));
  return { seen: last?.replace(/^\d+ +/, "") ?? null, hasEnded };
}

function parentOf(pid: number): number {
  const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(parent);
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
