import { fork } from "node:child_process";
import { extname, join } from "node:path";
import type { Guest, GuestAnswer } from "@sonde/pack-sdk/runtime";

export type GuestChildRequest =
  | { op: "load"; code: string; memoryMb: number }
  | { op: "call"; id: number; probe: string | null; input: string; timeoutMs: number };

/** A Guest in its own process. When the process dies, its calls answer PACK_CRASHED. */
export type GuestProcess = Omit<Guest, "dispose"> & { close(): void };

/**
 * Runs a pack's code in a real isolate, in a child process that may crash: for `sonde-pack`, tests and
 * evidence. The isolate is the only confinement; on a host, the agent's pack host adds more.
 *
 * @param code,memoryMb as for createGuest
 */
export function openGuestProcess(options: { code: string; memoryMb?: number }): GuestProcess {
  const child = fork(CHILD, [], {
    // isolated-vm crashes in a process started from Node's own snapshot.
    execArgv: ["--no-node-snapshot", "--conditions=sonde:source"],
    env: {},
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const waiting = new Map<number, (answer: GuestAnswer) => void>();
  let nextId = 1;
  let ended = false;
  child.on("message", (message: { id: number; reply: GuestAnswer }) => {
    waiting.get(message.id)?.(message.reply);
    waiting.delete(message.id);
  });
  const end = (): void => {
    ended = true;
    for (const settle of waiting.values()) settle(CRASHED);
    waiting.clear();
  };
  child.on("exit", end);
  child.on("error", end);
  const send = (request: GuestChildRequest): void => {
    child.send(request, (error) => {
      if (error !== null) end();
    });
  };
  send({ op: "load", code: options.code, memoryMb: options.memoryMb ?? 64 });
  const call = (probe: string | null, input: string, timeoutMs: number): Promise<GuestAnswer> =>
    new Promise((settle) => {
      if (ended) return settle(CRASHED);
      const id = nextId++;
      // A guest short of memory can block its isolate long after its deadline.
      const killer = setTimeout(() => child.kill("SIGKILL"), timeoutMs + KILL_AFTER_MS);
      waiting.set(id, (answer) => {
        clearTimeout(killer);
        settle(answer);
      });
      send({ op: "call", id, probe, input, timeoutMs });
    });
  return {
    run: (probe, input, timeoutMs) => call(probe, input, timeoutMs),
    describe: (timeoutMs) => call(null, "", timeoutMs),
    close: () => child.kill("SIGKILL"),
  };
}

const KILL_AFTER_MS = 5000;
const CRASHED: GuestAnswer = {
  ok: false,
  failure: { code: "PACK_CRASHED", message: "the process that ran the pack's code ended" },
};

/** Beside this file, in source and bundle alike. */
const CHILD = join(import.meta.dirname, `guest-child${extname(import.meta.filename)}`);
