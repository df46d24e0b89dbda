import { setTimeout as sleep } from "node:timers/promises";
import {
  buildAuditRecord,
  type AuditLog,
  type AuditStore,
  type Checkpoints,
  type DroppedExtent,
  type DroppedStore,
  type Segment,
  type SegmentHashes,
} from "../../audit/index.ts";
import { type DroppedSegments, parseDroppedSegments } from "@sonde/schemas/audit";
import type { Report } from "@sonde/service";
import type { Checkpoint } from "@sonde/trust/log";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import { findOutdated, type Limits, type Outdated, type SinkPlace } from "../core/find-outdated.ts";
import type { DropLease, DropStore } from "./drop-lease.ts";
import type { HoldStore } from "./hold-store.ts";
import { verifySegment } from "./verify-segment.ts";

/** The retention at this hub. Of all hubs of a database one drops content at a time. */
export type RunningRetention = {
  /** Looks now: the limits are others. */
  wake(): void;
  /** Ends it, after which another hub may go on. */
  stop(): Promise<void>;
};

export type RetentionPorts = {
  /** As they are now; null when everything is kept. */
  limits: () => Limits | null;
  /** The places of all sinks; null while one has not begun. */
  sinks: () => Promise<readonly SinkPlace[] | null>;
  /** The hubs that run now. */
  running: () => readonly string[];
  auditLog: Pick<AuditLog, "append">;
  auditStore: Pick<
    AuditStore,
    "hasOpenRequest" | "readChain" | "readHash" | "readNewestDrop" | "readUpTo"
  >;
  checkpoints: Pick<Checkpoints, "latest" | "problem">;
  dropped: Pick<DroppedStore, "listKept" | "readExtent">;
  holds: Pick<HoldStore, "isHeld">;
  drops: DropStore;
  now: () => Date;
  report: Report;
};

const FIRST_LOOK_MS = 5_000;
const LOOK_EVERY_MS = 30_000;
/** Between two segments, so that the log's writers have the disk. */
const PAUSE_MS = 100;

export function runRetention(ports: RetentionPorts): RunningRetention {
  const { drops, now, report } = ports;
  const stopping = new AbortController();
  let lease: DropLease | null = null;
  let timer: NodeJS.Timeout | null = null;
  let looking: Promise<void> = Promise.resolve();
  let wasReported = false;

  async function look(): Promise<void> {
    const limits = ports.limits();
    if (limits === null) return await letGo();
    lease ??= await drops.take(ports.running());
    while (lease !== null && !stopping.signal.aborted) {
      if (!(await dropSome(lease, limits))) return;
    }
  }

  async function letGo(): Promise<void> {
    if (lease !== null) await drops.release(lease);
    lease = null;
  }

  /** @returns whether there may be more to drop */
  async function dropSome(own: DropLease, limits: Limits): Promise<boolean> {
    const checkpoint = ports.checkpoints.latest();
    const sinks = await ports.sinks();
    if (checkpoint === null || ports.checkpoints.problem() !== null || sinks === null) return false;
    const extent = await ports.dropped.readExtent();
    const found = await findOutdated(await ports.dropped.listKept(), limits, {
      ...{ now: now(), signed: checkpoint.size, sinks, lastDropped: extent?.last ?? -1 },
      isHeld: (segment) => ports.holds.isHeld(segment),
      isOpen: ({ index }) => ports.auditStore.hasOpenRequest(firstOf(index), lastOf(index)),
    });
    if (found === null) return false;
    // All of them before anything is said.
    const verified: [Segment, SegmentHashes][] = [];
    for (const segment of found.segments) {
      verified.push([segment, await verifySegment(ports.auditStore, segment)]);
    }
    const saidBy = (await findSaying(found)) ?? (await say(found, extent, checkpoint));
    for (const [segment, hashes] of verified) {
      if (stopping.signal.aborted) return false;
      const outcome = await drops.drop(own, segment, hashes, saidBy);
      if (outcome === "lost") {
        lease = null;
        return false;
      }
      await sleep(PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    return true;
  }

  /** The newest `log.dropped`, when it speaks for all of these: a hub ended before it dropped them. */
  async function findSaying({ segments }: Outdated): Promise<number | null> {
    const newest = await ports.auditStore.readNewestDrop();
    if (newest === null) return null;
    const { head, kept } = parseDroppedSegments(newest.record.detail);
    const isSaid = segments.every(({ index }) => {
      const [first, last] = [firstOf(index), lastOf(index)];
      return last <= head.size && !kept.some(({ from, to }) => from <= last && to >= first);
    });
    return isSaid ? newest.seq : null;
  }

  /** Durable before the first content goes. @returns the number of the entry */
  async function say(
    { segments, last, kept, because }: Outdated,
    extent: DroppedExtent | null,
    { size, root }: Checkpoint,
  ): Promise<number> {
    const end = lastOf(last);
    const hash = await ports.auditStore.readHash(end);
    if (hash === null) throw new Error(`expected entry ${end} of the log`);
    const times = segments.flatMap(({ firstAt, lastAt }) => [firstAt, lastAt]);
    const all = [...times, ...(extent === null ? [] : [extent.from, extent.until])].map(Number);
    const detail: DroppedSegments = {
      head: { size: end, hash },
      kept: [...kept],
      from: new Date(Math.min(...all)).toISOString(),
      until: new Date(Math.max(...all)).toISOString(),
      because,
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      checkpoint: { size, root: root.toString("base64") },
    };
    const { seq } = await ports.auditLog.append(buildAuditRecord(now(), "log.dropped", { detail }));
    return seq;
  }

  function lookIn(ms: number): void {
    if (timer !== null) clearTimeout(timer);
    if (stopping.signal.aborted) return;
    timer = setTimeout(() => {
      timer = null;
      // One look after the other: a wake may come while there is one.
      looking = looking
        .then(look)
        .then(() => {
          wasReported = false;
        })
        .catch((thrown: Error) => {
          // It stays as it is until somebody acts, and the log of the service need not repeat it.
          if (!wasReported) report(thrown);
          wasReported = true;
        })
        .then(() => {
          if (timer === null) lookIn(LOOK_EVERY_MS);
        });
    }, ms);
    timer.unref();
  }
  lookIn(FIRST_LOOK_MS);

  return {
    wake: () => lookIn(0),
    async stop() {
      stopping.abort();
      if (timer !== null) clearTimeout(timer);
      await looking;
      await letGo();
    },
  };
}
