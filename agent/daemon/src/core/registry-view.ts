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

/** What the agent must remember of a registry's log across restarts. */
export type SavedRegistryView = FollowedLog & { logKey: string; stops: StopEntry[] };

/**
 * Far more stop entries than a real registry writes. Above it the agent takes no more of
 * the log.
 */
const MAX_STOPS = 10_000;

export type RegistryViewPorts = {
  /** The registries of the host's trust policy; read from the file at each call. */
  readPolicy: () => FollowedRegistry;
  follow: (
    request: Omit<FollowRequest, "op">,
    onEntry: (entry: FollowedEntry) => void,
  ) => Promise<FollowedLog>;
  /** The hub's head of the log when this agent enrolled; null when the hub had none. */
  enrolledHead: RegistryHeadReport;
  /** Durable when it returns. */
  save: (view: SavedRegistryView) => void;
  record: (event: AgentEvent) => void;
  elapsed: () => number;
};

/**
 * This host's view of its registry's transparency log, followed entry by entry and never
 * backwards. A log that contradicts what was seen before blocks every install from that
 * registry. Installed packs keep serving.
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

  /**
   * Registers a callback that runs when the log grew: more versions may be stopped, and
   * the hub compares heads.
   */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Follows the log, unless that was started within the last `maxAgeMs`. With 0 the log
   * is always read again. One read at a time.
   *
   * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID
   */
  async follow(maxAgeMs: number): Promise<void> {
    if (this.#problem === null && this.#ports.elapsed() - this.#followedAt < maxAgeMs) return;
    // A read that is under way started before this call, so neither its result nor its
    // error counts.
    if (maxAgeMs === 0) await this.#following?.catch(() => undefined);
    this.#following ??= this.#followNow().finally(() => (this.#following = null));
    await this.#following;
  }

  /**
   * Follows the log and returns its end. An archive must have been published up to there
   * to be installed.
   */
  async place(): Promise<LogPlace> {
    await this.follow(0);
    if (this.#saved !== null) return this.#saved.place;
    throw new SondeError("INTERNAL", "expected a log that was followed, got none");
  }

  /** Why the log stops this version, or null. */
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
      // A log with another key is another log. What was seen of the old one says nothing about it.
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

  /**
   * Heads that the log must contain: the hub's head at enrolment, until this host has
   * passed it.
   */
  #seen(logKey: string, before: SavedRegistryView | null): LogHead[] {
    const { enrolledHead } = this.#ports;
    // The hub's head belongs to a log with another key.
    if (enrolledHead === null || enrolledHead.logKey !== logKey) return [];
    return (before?.place.size ?? 0) > enrolledHead.head.size ? [] : [enrolledHead.head];
  }

  /**
   * Records an alarm when the log becomes inconsistent, and its end when the log is
   * consistent again.
   */
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
