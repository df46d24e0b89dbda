import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withListeningSocket } from "../../cli/src/start/listening-socket.ts";
import { serviceFlags } from "../../cli/src/start/start-service.ts";
import { asAccount, ensureAccounts } from "../../cli/src/start/system-users.ts";
import { pssMb } from "./process-figures.ts";
import { round } from "./statistics.ts";

/** After its start, a service still parses and collects for a moment. */
export const SETTLE_MS = 3_000;

export type Alone = { coldStartMs: number; idlePssMb: number };

type Role = "hub" | "registry" | "agent" | "runner";

/**
 * Starts one service of a stopped product alone, as its own user. Measures its start and its idle
 * memory while nothing else of the product runs.
 */
export async function measureAlone(
  data: string,
  role: "hub" | "registry" | "agent",
): Promise<Alone> {
  const started = performance.now();
  const child = startService(data, role);
  await firstOutput(child, '"ready":true');
  const coldStartMs = round(performance.now() - started);
  await sleep(SETTLE_MS);
  const idlePssMb = pssMb(child.pid ?? 0);
  await endService(child);
  return { coldStartMs, idlePssMb };
}

/** Both processes of a host, MB together, while nothing else of the product runs. */
export async function measureHost(data: string): Promise<number> {
  const place = { path: join(data, "runner/runner.sock"), owner: ensureAccounts().agent };
  const runner = withListeningSocket(place, (fd) => startService(data, "runner", [fd]));
  // It writes a line each second from when it serves.
  await firstOutput(runner, "\n");
  const agent = startService(data, "agent");
  await firstOutput(agent, '"ready":true');
  await sleep(SETTLE_MS);
  const both = pssMb(agent.pid ?? 0) + pssMb(runner.pid ?? 0);
  await endService(agent);
  await endService(runner);
  return round(both);
}

/** As `npm start` does, with its standard output and error for the caller. */
export function startService(data: string, role: Role, handedOver: number[] = []): ChildProcess {
  const [build] = readdirSync(join(data, "runtime"));
  if (build === undefined) throw new Error("expected an installed runtime; run the bench as root");
  const folder = join(data, "runtime", build);
  const accounts = ensureAccounts();
  const program = [join(folder, "node"), ...serviceFlags(role), join(folder, `${role}.js`)];
  const config = join(data, "config", `${role}.json`);
  const { command, args } = asAccount(accounts, accounts[role], [], [...program, config]);
  return spawn(command, args, { stdio: ["pipe", "pipe", "pipe", ...handedOver], cwd: "/" });
}

/** Resolves when the service's first output has that text. */
export function firstOutput(child: ChildProcess, expected: string): Promise<void> {
  child.stderr?.resume();
  return new Promise((done, fail) => {
    child.stdout?.once("data", (line: Buffer) =>
      line.includes(expected) ? done() : fail(new Error(`expected ready, got ${line.toString()}`)),
    );
    child.once("exit", (code) =>
      fail(new Error(`${child.spawnargs.join(" ")} ended with ${code}`)),
    );
  });
}

export function endService(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    child.removeAllListeners("exit");
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}
