import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PackReport } from "@sonde/schemas/wire";
import type { SwarmAgent, SwarmHub } from "./seed-swarm.ts";

/** Connects the next agents, so many handshakes at once. */
export type SwarmOrder = { count: number; atOnce: number };
/** Every agent states the pack as active, and answers each call with the data. */
export type SwarmOffer = { pack: PackReport; data: Record<string, unknown> };
export type SwarmState = {
  /** Agents with a complete session. */
  connected: number;
  /** CPU time of the process of all agents. */
  cpuMs: number;
};

/** Simulated agents in a process of their own, which reconnect as real ones do. */
export type Swarm = {
  state(): SwarmState;
  connect(order: SwarmOrder): void;
  serve(offer: SwarmOffer): void;
  /** Resolves when the state is as wanted. @throws when that takes longer than `withinMs` */
  until(isWanted: (state: SwarmState) => boolean, withinMs: number): Promise<void>;
  stop(): Promise<void>;
};

export async function startSwarm(hub: SwarmHub, agents: SwarmAgent[]): Promise<Swarm> {
  const folder = mkdtempSync(join(tmpdir(), "sonde-swarm-"));
  const path = join(folder, "swarm.json");
  writeFileSync(path, JSON.stringify({ hub, agents }), { mode: 0o600 });
  const child = fork(join(import.meta.dirname, "swarm-main.ts"), [path], {
    execArgv: ["--conditions=sonde:source"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let [state] = (await once(child, "message")) as [SwarmState];
  child.on("message", (told: SwarmState) => (state = told));
  rmSync(folder, { recursive: true });
  return {
    state: () => state,
    connect: (order) => void child.send(order),
    serve: (offer) => void child.send(offer),
    async until(isWanted, withinMs) {
      const end = performance.now() + withinMs;
      while (!isWanted(state)) {
        if (performance.now() > end) {
          throw new Error(`expected it in ${withinMs} ms, ${state.connected} are connected`);
        }
        await once(child, "message");
      }
    },
    async stop() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}
