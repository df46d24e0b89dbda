import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type RegistryLogStatus } from "@sonde/schemas/hub";
import { type PackName, type Version } from "@sonde/schemas/names";
import { type Failure } from "@sonde/schemas/reads";
import { type PublishEntry } from "@sonde/schemas/registry";
import {
  type FollowRequest,
  type FollowedEntry,
  type FollowedLog,
  type LogPlace,
  type TrustPolicy,
  pickRegistry,
} from "@sonde/schemas/trust";
import { type LogHead, type RegistryHeadReport } from "@sonde/schemas/wire";
import { chooseVersion, isStopEntry, whyStopped } from "@sonde/trust/log";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";

/** How long the result of one look at the log is reused. */
export const RECENT_MS = 2_000;
/** Of what is only shown. What is installed is looked up anew. */
const SHOWN_MS = 60_000;

/** An entry with its place in the log. */
export type LoggedEntry = Omit<FollowedEntry, "head">;

/** What the log says of one version. */
export type LoggedVersion = {
  entry: PublishEntry;
  index: number;
  /** The log's head that the entry was checked against. */
  head: LogHead;
  /** Why no host gets it; null when nothing stops it. */
  stopped: string | null;
};

/** Storage of followed entries. Its guarantees are in edge/registry-log-store. */
export type RegistryLogPort = {
  keepFollowed(
    logKey: string,
    at: Date,
    follow: (
      before: FollowedLog | null,
      add: (entry: FollowedEntry) => Promise<void>,
    ) => Promise<FollowedLog>,
  ): Promise<FollowedLog>;
  readEntries(logKey: string, pack: PackName): Promise<LoggedEntry[]>;
  readHead(logKey: string, size: number): Promise<LogHead | null>;
};

export type FollowerPorts = {
  readPolicy: () => TrustPolicy;
  /** `followRegistry` of trust/admit. */
  follow: (
    request: Omit<FollowRequest, "op">,
    onEntry: (entry: FollowedEntry) => Promise<void>,
  ) => Promise<FollowedLog>;
  store: RegistryLogPort;
  auditLog: AuditLog;
  /** False once an agent was removed: what it claimed to see then counts no more. */
  isEnrolled: (agent: string) => boolean;
  now: () => Date;
  elapsed: () => number;
  /** Is called with the packs that new entries are about. */
  onNews: (packs: ReadonlySet<PackName>) => void;
};

/**
 * Follows the registry's transparency log entry by entry, and compares it with the heads that
 * agents saw. So a fork that was made for one agent is detected here.
 */
export class RegistryFollower {
  readonly #ports: FollowerPorts;
  readonly #seen = new Map<string, RegistryHeadReport>();
  readonly #forks = new Map<string, LogHead>();
  #followed: { logKey: string; log: FollowedLog } | null = null;
  #followedAt = Number.NEGATIVE_INFINITY;
  #problem: Failure | null = null;
  #following: Promise<void> | null = null;

  constructor(ports: FollowerPorts) {
    this.#ports = ports;
  }

  /** Resolves `wanted`, a version or a range, for an agent; see `chooseVersion`. */
  async choose(name: PackName, wanted: string, agentVersion: Version): Promise<PublishEntry> {
    // No cached look, so that a version published a moment ago counts too.
    await this.follow(0);
    await this.place();
    const { logKey } = this.#ports.readPolicy();
    const entries = await this.#ports.store.readEntries(logKey, name);
    return chooseVersion(
      entries.map(({ entry }) => entry),
      wanted,
      agentVersion,
    );
  }

  /**
   * Finds a version in the log that this hub follows, as the log was at most a minute ago.
   *
   * @returns null when the log has no such version
   * @throws SondeError as `place`
   */
  async find(name: PackName, version: Version): Promise<LoggedVersion | null> {
    // It may have been published since the last look.
    return (
      (await this.#findIn(await this.#checked(SHOWN_MS), name, version)) ??
      (await this.#findIn(await this.#checked(RECENT_MS), name, version))
    );
  }

  async #findIn(
    { head }: FollowedLog,
    name: PackName,
    version: Version,
  ): Promise<LoggedVersion | null> {
    const { logKey } = this.#ports.readPolicy();
    const entries = await this.#ports.store.readEntries(logKey, name);
    const stops = entries.map(({ entry }) => entry).filter(isStopEntry);
    for (const { index, entry } of entries) {
      if (entry.type !== "publish" || entry.version !== version) continue;
      return { entry, index, head, stopped: whyStopped(stops, name, version) };
    }
    return null;
  }

  /**
   * How far the log was followed, at most RECENT_MS ago.
   *
   * @throws SondeError REGISTRY_LOG_INCONSISTENT also while an agent sees a fork
   */
  async place(): Promise<LogPlace> {
    return (await this.#checked(RECENT_MS)).place;
  }

  async #checked(maxAgeMs: number): Promise<FollowedLog> {
    await this.follow(maxAgeMs);
    this.#forgetRemoved();
    const [fork] = this.#forks.keys();
    if (fork !== undefined) {
      throw new SondeError(
        "REGISTRY_LOG_INCONSISTENT",
        `expected one history of the registry, got another shown to agent ${fork}`,
      );
    }
    if (this.#followed === null) throw new SondeError("INTERNAL", "expected a followed log");
    return this.#followed.log;
  }

  /** The log's head when it was last followed. */
  head(): LogHead | null {
    return this.#followed?.log.head ?? null;
  }

  /** The head that a newly enrolled agent must find in its log, if it follows the same one. */
  report(): RegistryHeadReport {
    if (this.#followed === null) return null;
    return { logKey: this.#followed.logKey, head: this.#followed.log.head };
  }

  status(): RegistryLogStatus {
    const { registry, logKey } = this.#ports.readPolicy();
    this.#forgetRemoved();
    return {
      registry,
      logKey,
      head: this.head(),
      at: this.#followed?.log.at ?? null,
      problem: this.#problem,
      forks: [...this.#forks].map(([agent, head]) => ({ agent, head })),
      elsewhere: [...this.#seen].flatMap(([agent, seen]) =>
        seen === null || seen.logKey === logKey ? [] : [{ agent, logKey: seen.logKey }],
      ),
    };
  }

  /**
   * Compares the head that an agent saw with this hub's log, now and after each further look. A
   * head beyond this hub's own makes it look first. A fork is recorded as an alarm.
   */
  async compare(agent: string, seen: RegistryHeadReport): Promise<void> {
    this.#seen.set(agent, seen);
    if (seen !== null && seen.head.size > (this.head()?.size ?? 0)) {
      // After a failure the next successful look compares.
      await this.follow(0).catch(() => undefined);
    }
    await this.#check(agent);
  }

  /**
   * Follows the log unless the last look is newer than `maxAgeMs`.
   *
   * @throws SondeError REGISTRY_LOG_INCONSISTENT or REGISTRY_UNAVAILABLE
   */
  async follow(maxAgeMs: number): Promise<void> {
    const isRecent = this.#ports.elapsed() - this.#followedAt < maxAgeMs;
    if (isRecent && this.#problem === null) return;
    // A running look began too early for this caller, so wait for it and ignore its failure.
    if (maxAgeMs === 0) await this.#following?.catch(() => undefined);
    this.#following ??= this.#followNow().finally(() => (this.#following = null));
    await this.#following;
  }

  async #followNow(): Promise<void> {
    const begunAt = this.#ports.elapsed();
    try {
      const registry = pickRegistry(this.#ports.readPolicy());
      const { logKey } = registry;
      const { store, follow, now } = this.#ports;
      const news = new Set<PackName>();
      const log = await store.keepFollowed(logKey, now(), (before, add) =>
        follow(
          { ...registry, from: before?.place ?? { size: 0, frontier: "" }, seen: [] },
          async (entry: FollowedEntry) => {
            news.add(entry.entry.name);
            await add(entry);
          },
        ),
      );
      this.#followed = { logKey, log };
      this.#followedAt = begunAt;
      await this.#settle(null);
      for (const agent of this.#seen.keys()) await this.#check(agent);
      if (news.size > 0) this.#ports.onNews(news);
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      await this.#settle({ code, message });
      throw thrown;
    }
  }

  async #check(agent: string): Promise<void> {
    const { logKey } = this.#ports.readPolicy();
    const seen = this.#seen.get(agent) ?? null;
    // An agent of another registry follows another log.
    if (seen === null || seen.logKey !== logKey || seen.head.size === 0) return;
    const ours = await this.#ports.store.readHead(logKey, seen.head.size);
    // The head is beyond ours and our own look failed, so nothing is known yet.
    if (ours === null && this.#problem !== null) return;
    const isFork = ours?.hash !== seen.head.hash;
    if (isFork === this.#forks.has(agent)) return;
    if (isFork) this.#forks.set(agent, seen.head);
    else this.#forks.delete(agent);
    await this.#record(isFork ? "registry.inconsistent" : "registry.consistent", agent, {
      seen: seen.head,
      expected: ours,
    });
  }

  /** A person removed the agent, and with it its alarm. */
  #forgetRemoved(): void {
    for (const agent of this.#seen.keys()) {
      if (this.#ports.isEnrolled(agent)) continue;
      this.#seen.delete(agent);
      this.#forks.delete(agent);
    }
  }

  async #settle(problem: Failure | null): Promise<void> {
    const wasAlarm = this.#problem?.code === "REGISTRY_LOG_INCONSISTENT";
    const isAlarm = problem?.code === "REGISTRY_LOG_INCONSISTENT";
    this.#problem = problem;
    if (isAlarm === wasAlarm) return;
    await this.#record(isAlarm ? "registry.inconsistent" : "registry.consistent", null, {
      message: problem?.message ?? null,
      head: this.head(),
    });
  }

  async #record(
    event: "registry.inconsistent" | "registry.consistent",
    agent: string | null,
    detail: Record<string, unknown>,
  ): Promise<void> {
    const isAlarm = event === "registry.inconsistent";
    await this.#ports.auditLog.append(
      buildAuditRecord(this.#ports.now(), event, {
        agent,
        status: isAlarm ? "failure" : "info",
        code: isAlarm ? "REGISTRY_LOG_INCONSISTENT" : null,
        detail,
      }),
    );
  }
}
