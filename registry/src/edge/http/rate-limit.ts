import { isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** How often one address may ask, per minute; twice that may come at once. */
export type RateLimits = {
  readsPerMinute: number;
  writesPerMinute: number;
  /** Requests whose token was refused. */
  refusalsPerMinute: number;
};

/** Of so many addresses the last ones are remembered. */
const MAX_ADDRESSES = 20_000;
const BURST_MINUTES = 2;
const MINUTE_MS = 60_000;

/**
 * Limits what one client address may ask of the server: reads, writes, and
 * tokens that are refused, each by a token bucket. Refused is before anything of
 * the body is read.
 *
 * @param nowMs a clock that never goes back
 */
export function installRateLimits(
  app: Pick<FastifyInstance, "addHook">,
  limits: RateLimits,
  nowMs: () => number,
): void {
  const reads = createBuckets(limits.readsPerMinute, nowMs);
  const writes = createBuckets(limits.writesPerMinute, nowMs);
  const refusals = createBuckets(limits.refusalsPerMinute, nowMs);
  app.addHook("onRequest", async (request, reply) => {
    const address = groupAddress(request.ip);
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    if (isWrite || request.headers.authorization !== undefined) {
      demand(refusals.waitMs(address), reply);
    }
    demand((isWrite ? writes : reads).take(address), reply);
  });
  app.addHook("onResponse", async (request: FastifyRequest, reply) => {
    if (reply.statusCode === 401) refusals.take(groupAddress(request.ip));
  });
}

function demand(waitMs: number, reply: FastifyReply): void {
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  reply.header("retry-after", seconds);
  throw new SondeError("TOO_MANY_ATTEMPTS", `expected fewer requests, wait ${seconds} s`);
}

type Buckets = {
  /** Takes one if there is one. @returns 0, or how long until there is one */
  take(address: string): number;
  /** As `take`, without taking. */
  waitMs(address: string): number;
};

function createBuckets(perMinute: number, nowMs: () => number): Buckets {
  const capacity = perMinute * BURST_MINUTES;
  const perMs = perMinute / MINUTE_MS;
  // In the order of last use, so that the first is the one to forget.
  const levels = new Map<string, { level: number; atMs: number }>();
  const levelOf = (address: string, now: number): number => {
    const kept = levels.get(address);
    return kept === undefined
      ? capacity
      : Math.min(capacity, kept.level + (now - kept.atMs) * perMs);
  };
  const waitFor = (level: number): number => (level >= 1 ? 0 : (1 - level) / perMs);
  return {
    take(address) {
      const atMs = nowMs();
      const level = levelOf(address, atMs);
      const wait = waitFor(level);
      levels.delete(address);
      levels.set(address, { level: wait === 0 ? level - 1 : level, atMs });
      const [oldest] = levels.keys();
      if (levels.size > MAX_ADDRESSES && oldest !== undefined) levels.delete(oldest);
      return wait;
    },
    waitMs: (address) => waitFor(levelOf(address, nowMs())),
  };
}

/** One household has a whole /64 of IPv6 addresses: they count as one. */
function groupAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter((part) => part !== "");
  const missing =
    tail === undefined ? 0 : 8 - first.length - tail.split(":").filter(Boolean).length;
  return [...first, ...Array.from({ length: missing }, () => "0")].slice(0, 4).join(":");
}
