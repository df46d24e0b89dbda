import { isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { FastifyInstance, FastifyReply } from "fastify";

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
  const limitOf = (perMinute: number): RateLimit =>
    createRateLimit({ perMinute, atOnce: perMinute * BURST_MINUTES }, nowMs);
  const reads = limitOf(limits.readsPerMinute);
  const writes = limitOf(limits.writesPerMinute);
  const refusals = limitOf(limits.refusalsPerMinute);
  app.addHook("onRequest", async (request, reply) => {
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    if (isWrite || request.headers.authorization !== undefined) {
      demand(refusals.waitMs(request.ip), reply);
    }
    demand((isWrite ? writes : reads).take(request.ip), reply);
  });
  app.addHook("onResponse", async (request, reply) => {
    if (reply.statusCode === 401) refusals.take(request.ip);
  });
}

function demand(waitMs: number, reply: FastifyReply): void {
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  reply.header("retry-after", seconds);
  throw new SondeError("TOO_MANY_ATTEMPTS", `expected fewer requests, wait ${seconds} s`);
}

/** A token bucket for each address; the addresses of one IPv6 network share one. */
export type RateLimit = {
  /** Takes one if there is one. @returns 0, or how long until there is one */
  take(address: string): number;
  /** As `take`, without taking. */
  waitMs(address: string): number;
};

/** @param limit `atOnce`: what a full bucket holds; `perMinute`: how much of it comes back */
export function createRateLimit(
  limit: { perMinute: number; atOnce: number },
  nowMs: () => number,
): RateLimit {
  const perMs = limit.perMinute / MINUTE_MS;
  // In the order of last use, so that the first is the one to forget.
  const levels = new Map<string, { level: number; atMs: number }>();
  const levelOf = (group: string, now: number): number => {
    const kept = levels.get(group);
    if (kept === undefined) return limit.atOnce;
    return Math.min(limit.atOnce, kept.level + Math.max(0, now - kept.atMs) * perMs);
  };
  const waitFor = (level: number): number => (level >= 1 ? 0 : (1 - level) / perMs);
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

/** How a listener for both IPv4 and IPv6 names a client of IPv4. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** One household has a whole /64 of IPv6 addresses: they count as one. */
function groupAddress(address: string): string {
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter((part) => part !== "");
  const missing =
    tail === undefined ? 0 : 8 - first.length - tail.split(":").filter(Boolean).length;
  return [...first, ...Array.from({ length: missing }, () => "0")].slice(0, 4).join(":");
}
