import { isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { FastifyInstance, FastifyReply } from "fastify";

/** Requests per minute of one client address. A burst may be twice as large. */
export type RateLimits = {
  readsPerMinute: number;
  writesPerMinute: number;
  /** Requests with a refused token, or with one that has not the right. */
  refusalsPerMinute: number;
};

/** The least recently seen addresses above this number are forgotten. */
const MAX_ADDRESSES = 20_000;
const BURST_MINUTES = 2;
/** 401 and 403. */
const REFUSED: ReadonlySet<number> = new Set([401, 403]);
const MINUTE_MS = 60_000;

/**
 * Rate limits per client address, each by a token bucket: one for reads, one for writes,
 * one for refused tokens and rights. A request is refused before any of its body is read.
 *
 * @param readLimits gives the limits that are in force at a request
 * @param nowMs a monotonic clock in ms
 */
export function installRateLimits(
  app: Pick<FastifyInstance, "addHook">,
  readLimits: () => RateLimits,
  nowMs: () => number,
): void {
  const limitOf = (name: keyof RateLimits): RateLimit => {
    const limit = {
      get perMinute() {
        return readLimits()[name];
      },
      get atOnce() {
        return this.perMinute * BURST_MINUTES;
      },
    };
    return createRateLimit(limit, nowMs);
  };
  const reads = limitOf("readsPerMinute");
  const writes = limitOf("writesPerMinute");
  const refusals = limitOf("refusalsPerMinute");
  app.addHook("onRequest", async (request, reply) => {
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    if (isWrite || request.headers.authorization !== undefined) {
      demand(refusals.waitMs(request.ip), reply);
    }
    demand((isWrite ? writes : reads).take(request.ip), reply);
  });
  app.addHook("onResponse", async (request, reply) => {
    // Each refused right is a record, so a flood of them would be a flood of rows.
    if (REFUSED.has(reply.statusCode)) refusals.take(request.ip);
  });
}

function demand(waitMs: number, reply: FastifyReply): void {
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  reply.header("retry-after", seconds);
  throw new SondeError("TOO_MANY_ATTEMPTS", `expected fewer requests, wait ${seconds} s`);
}

/** A token bucket per address. All addresses of one IPv6 /64 network share a bucket. */
export type RateLimit = {
  /** Takes a token. @returns 0, or the ms until a token is available */
  take(address: string): number;
  /** Like `take`, but takes nothing. */
  waitMs(address: string): number;
};

/**
 * @param limit `atOnce`: size of the bucket; `perMinute`: tokens added per minute. Read at each use
 */
export function createRateLimit(
  limit: Readonly<{ perMinute: number; atOnce: number }>,
  nowMs: () => number,
): RateLimit {
  // An LRU cache: a Map iterates in insertion order, and each use inserts the address again.
  const levels = new Map<string, { level: number; atMs: number }>();
  const levelOf = (group: string, now: number): number => {
    const { perMinute, atOnce } = limit;
    const kept = levels.get(group);
    if (kept === undefined) return atOnce;
    return Math.min(atOnce, kept.level + (Math.max(0, now - kept.atMs) * perMinute) / MINUTE_MS);
  };
  const waitFor = (level: number): number =>
    level >= 1 ? 0 : ((1 - level) * MINUTE_MS) / limit.perMinute;
  return {
    take(address) {
      const group = groupAddress(address);
      const atMs = nowMs();
      const level = levelOf(group, atMs);
      const wait = waitFor(level);
      levels.delete(group);
      levels.set(group, { level: wait === 0 ? level - 1 : level, atMs });
      const [oldest] = levels.keys();
      if (levels.size > MAX_ADDRESSES && oldest !== undefined) levels.delete(oldest);
      return wait;
    },
    waitMs: (address) => waitFor(levelOf(groupAddress(address), nowMs())),
  };
}

/** The form in which a dual-stack listener shows an IPv4 client. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * Maps an address to its bucket. One household has a whole /64 of IPv6 addresses, so
 * these share one.
 */
export function groupAddress(address: string): string {
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter((part) => part !== "");
  const missing =
    tail === undefined ? 0 : 8 - first.length - tail.split(":").filter(Boolean).length;
  return [...first, ...Array.from({ length: missing }, () => "0")].slice(0, 4).join(":");
}
