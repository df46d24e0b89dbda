import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type PackName, type Version } from "@sonde/schemas/names";
import { type Failure } from "@sonde/schemas/reads";
import {
  type FollowRequest,
  type FollowedEntry,
  type FollowedLog,
  type FollowedRegistry,
  type LogPlace,
  pickRegistry,
} from "@sonde/schemas/trust";
import { type LogHead, type RegistryHeadReport } from "@sonde/schemas/wire";
import { type StopEntry, isStopEntry, whyStopped } from "@sonde/trust/log";
import type { AgentEvent } from "./record-event.ts";

/** What an agent must not forget of a registry's log. */
export type SavedRegistryView = FollowedLog & { logKey: string; stops: StopEntry[] };

/** Far more than a registry ever stops; above it nothing new is taken from it. */
const MAX_STOPS = 10_000;

export type RegistryViewPorts = {
  /** Where packs come from, by the host's policy; read anew each time. */
  readPolicy: () => FollowedRegistry;
  follow: (
    request: Omit<FollowRequest, "op">,
    onEntry: (entry: FollowedEntry) => void,
  ) => Promise<FollowedLog>;
  /** What the hub had seen when this agent enrolled; null when it had not looked. */
  enrolledHead: RegistryHeadReport;
  /** Durable when it returns. */
  save: (view: SavedRegistryView) => void;
  record: (event: AgentEvent) => void;
  elapsed: () => number;
};

/**
 * What this host was shown of its registry's transparency log: followed entry by
 * entry, never backwards. Nothing is installed from a registry whose log does
 * not follow from what was seen before; what is here already keeps serving.
 */
export class RegistryView {
  readonly #ports: RegistryViewPorts;
  readonly #listeners: (() => void)[] = [];
  #saved: SavedRegistryView | null;
  #problem: Failure | null = null;
  #followedAt = Number.NEGATIVE_INFINITY;
  #following: Promise<void> | null = null;

  constructor(ports: RegistryViewPorts, saved: SavedRegistryView | null) {
    this.#ports = ports;
    this.#saved = saved;
  }

  /** Calls back when the log went on: more may be stopped, and the hub compares heads. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Follows the log unless that was begun within `maxAgeMs`; 0 is from now on.
   * One at a time.
   *
   * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID
   */
  async follow(maxAgeMs: number): Promise<void> {
    if (this.#problem === null && this.#ports.elapsed() - this.#followedAt < maxAgeMs) return;
    // What is under way began too early, and its failure is its own.
    if (maxAgeMs === 0) await this.#following?.catch(() => undefined);
    this.#following ??= this.#followNow().finally(() => (this.#following = null));
    await this.#following;
  }

  /** How far the log goes now: what is installed must have been published up to here. */
  async place(): Promise<LogPlace> {
    await this.follow(0);
    if (this.#saved !== null) return this.#saved.place;
    throw new SondeError("INTERNAL", "expected a log that was followed, got none");
  }

  /** Why a version must not serve, or null. */
  whyStopped(name: PackName, version: Version): string | null {
    return whyStopped(this.#saved?.stops ?? [], name, version);
  }

  report(): RegistryHeadReport {
    if (this.#saved === null) return null;
    const { logKey, head } = this.#saved;
    return { logKey, head };
  }

  status(): { head: LogHead | null; at: string | null; problem: Failure | null } {
    const { head = null, at = null } = this.#saved ?? {};
    return { head, at, problem: this.#problem };
  }

  async #followNow(): Promise<void> {
    const begunAt = this.#ports.elapsed();
    try {
      const registry = pickRegistry(this.#ports.readPolicy());
      const { logKey } = registry;
      // Another log is another history: nothing of the old one says anything about it.
      const before = this.#saved?.logKey === logKey ? this.#saved : null;
      const stops = [...(before?.stops ?? [])];
      const log = await this.#ports.follow(
        { ...registry, from: before?.place ?? START, seen: this.#seen(logKey, before) },
        ({ entry }) => {
          if (isStopEntry(entry)) stops.push(entry);
          if (stops.length > MAX_STOPS) {
            throw new SondeError("REGISTRY_LOG_INCONSISTENT", "the log stops too many versions");
          }
        },
      );
      const saved = { ...log, logKey, stops };
      this.#ports.save(saved);
      this.#saved = saved;
      this.#followedAt = begunAt;
      this.#settle(null);
      if (log.head.hash !== before?.head.hash) for (const tell of this.#listeners) tell();
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      this.#settle({ code, message });
      throw thrown;
    }
  }

  /** The hub's head at enrolment counts until this host has passed it. */
  #seen(logKey: string, before: SavedRegistryView | null): LogHead[] {
    const { enrolledHead } = this.#ports;
    // The hub's head of another log says nothing about this one.
    if (enrolledHead === null || enrolledHead.logKey !== logKey) return [];
    return (before?.place.size ?? 0) > enrolledHead.head.size ? [] : [enrolledHead.head];
  }

  /** An alarm when the log turns out to be another, and its end when it is the one it was. */
  #settle(problem: Failure | null): void {
    const wasAlarm = this.#problem?.code === "REGISTRY_LOG_INCONSISTENT";
    const isAlarm = problem?.code === "REGISTRY_LOG_INCONSISTENT";
    this.#problem = problem;
    if (isAlarm === wasAlarm) return;
    this.#ports.record({
      event: isAlarm ? "registry.inconsistent" : "registry.consistent",
      status: isAlarm ? "failure" : "info",
      code: problem?.code ?? null,
      detail: { message: problem?.message.slice(0, 500) ?? null, head: this.#saved?.head ?? null },
    });
  }
}

const START: LogPlace = { size: 0, frontier: "" };
