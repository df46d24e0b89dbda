import type { Server } from "node:https";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { groupAddress } from "@sonde/service";

export type PaceOptions = {
  /** Whether the process has had no time to spare since the last question. */
  isBusy?: () => boolean;
  times?: typeof TIMES;
};

export const TIMES = {
  /** How often the queue is looked at while it is not empty. */
  everyMs: 5,
  /** A busy process still lets one in this often, so that agents come back under a load of calls. */
  leastEveryMs: 50,
  /** Agents give up after 10 s. A handshake with one that has would be for nothing. */
  waitMs: 8_000,
};

/** Most connections that one look lets in. Those that never speak cost next to nothing. */
const MOST_AT_ONCE = 32;
/** Share of its time that the process may work before new connections wait. */
const BUSY_SHARE = 0.6;

type Waiting = { socket: Socket; since: number };

/**
 * Lets new connections of a server in no faster than the process has time for. A fleet that comes back
 * after a restart would otherwise hold up every call until its last handshake. Addresses take turns, so
 * that one that floods holds up no other. A connection that waits for too long is closed, and its agent
 * tries again later. Call this before the server listens; it must have been created with
 * `pauseOnConnect`.
 */
export function paceConnections(
  server: Server,
  { isBusy = watchLoop(), times = TIMES }: PaceOptions = {},
): void {
  const begin = server.listeners("connection") as ((socket: Socket) => void)[];
  /** By address, of which the first one has the next turn. No list is empty. */
  const waiting = new Map<string, Waiting[]>();
  let atOnce = 0;
  let lastIn = -Infinity;
  let timer: NodeJS.Timeout | undefined;

  /** How many may come in now: more with each look that finds time, one now and then without. */
  const allow = (now: number): number => {
    if (!isBusy()) return (atOnce = Math.min(MOST_AT_ONCE, atOnce + 1));
    atOnce = 0;
    return now - lastIn >= times.leastEveryMs ? 1 : 0;
  };
  const closeLate = (now: number): void => {
    for (const [address, queue] of waiting) {
      while (queue[0] !== undefined && now - queue[0].since > times.waitMs) {
        queue.shift()?.socket.destroy();
      }
      if (queue.length === 0) waiting.delete(address);
    }
  };
  const takeNext = (): Socket | undefined => {
    const [first] = waiting;
    if (first === undefined) return undefined;
    const [address, queue] = first;
    waiting.delete(address);
    const next = queue.shift();
    if (queue.length > 0) waiting.set(address, queue);
    return next?.socket;
  };
  const look = (): void => {
    const now = performance.now();
    closeLate(now);
    for (let left = allow(now); left > 0; left -= 1) {
      const socket = takeNext();
      if (socket === undefined) break;
      lastIn = now;
      for (const listener of begin) listener.call(server, socket);
    }
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const address = groupAddress(socket.remoteAddress ?? "");
    const queue = waiting.get(address) ?? [];
    queue.push({ socket, since: performance.now() });
    waiting.set(address, queue);
    if (timer !== undefined) return;
    timer = setInterval(look, times.everyMs).unref();
    look();
  });
}

function watchLoop(): () => boolean {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization > BUSY_SHARE;
  };
}
