import {
  type Failure,
  type FollowedEntry,
  type FollowedLog,
  type LogHead,
  type LogPlace,
  type PackName,
  type PublishEntry,
  type RegistryHeadReport,
  type RegistryLogStatus,
  SondeError,
  type TrustPolicy,
  type Version,
  toSondeError,
} from "@sonde/schemas";
import { followRegistry } from "@sonde/trust/admit";
import { chooseVersion } from "@sonde/trust/log";
import type { AuditLog } from "../core/audit-log.ts";
import { buildAuditRecord } from "../core/audit-record.ts";
import type { RegistryLogStore } from "./store/registry-log-store.ts";

const FOLLOW_EVERY_MS = 60_000;
/** One look at the log serves everything that happens within. */
const RECENT_MS = 2_000;

export type FollowerOptions = {
  readPolicy: () => TrustPolicy;
  /** The admit program's file. */
  admitPath: string;
  store: RegistryLogStore;
  auditLog: AuditLog;
  now: () => Date;
  elapsed: () => number;
  report: (error: Error) => void;
  /** Packs about which the log said something new. */
  onNews: (packs: ReadonlySet<PackName>) => void;
};

/**
 * Follows the registry's transparency log entry by entry, and compares what each
 * agent was shown with it: a fork made for one of them is seen here.
 */
export class RegistryFollower {
  readonly #options: FollowerOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #seen = new Map<string, RegistryHeadReport>();
  readonly #forks = new Map<string, LogHead>();
  #followed: { logKey: string; log: FollowedLog } | null = null;
  #followedAt = Number.NEGATIVE_INFINITY;
  #problem: Failure | null = null;
  #following: Promise<void> | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#followQuietly(), FOLLOW_EVERY_MS);
    this.#followQuietly();
  }

  /** The version that `wanted` (a version or a range) means for an agent; see `chooseVersion`. */
  async choose(name: PackName, wanted: string, agentVersion: Version): Promise<PublishEntry> {
    // A version that was published a moment ago counts too.
    await this.follow(0);
    await this.place();
    const { logKey } = this.#options.readPolicy();
    const entries = await this.#options.store.readEntries(logKey, name);
    return chooseVersion(entries, wanted, agentVersion);
  }

  /**
   * How far the log was followed, just now.
   *
   * @throws SondeError REGISTRY_LOG_INCONSISTENT also while agents see a fork
   */
  async place(): Promise<LogPlace> {
    await this.follow(RECENT_MS);
    const [fork] = this.#forks.keys();
    if (fork !== undefined) {
      throw new SondeError(
        "REGISTRY_LOG_INCONSISTENT",
        `expected one history of the registry, got another shown to agent ${fork}`,
      );
    }
    if (this.#followed === null) throw new SondeError("INTERNAL", "expected a followed log");
    return this.#followed.log.place;
  }

  /** The head that the log had when it was last followed. */
  head(): LogHead | null {
    return this.#followed?.log.head ?? null;
  }

  /** What agents enrolling now must find in that log, if it is theirs too. */
  report(): RegistryHeadReport {
    if (this.#followed === null) return null;
    return { logKey: this.#followed.logKey, head: this.#followed.log.head };
  }

  status(): RegistryLogStatus {
    const { registry, logKey } = this.#options.readPolicy();
    return {
      registry,
      logKey,
      head: this.head(),
      at: this.#followed?.log.at ?? null,
      problem: this.#problem,
      forks: [...this.#forks].map(([agent, head]) => ({ agent, head })),
    };
  }

  /**
   * Compares what an agent was shown with what this hub was, now and after each
   * further look at the log. A history longer than ours is looked for first. A
   * fork is an alarm in the audit log.
   */
  async compare(agent: string, seen: RegistryHeadReport): Promise<void> {
    this.#seen.set(agent, seen);
    if (seen !== null && seen.head.size > (this.head()?.size ?? 0)) {
      // When that fails, the comparison follows the next look that does not.
      await this.follow(0).catch(() => undefined);
    }
    await this.#check(agent);
  }

  /** @throws SondeError REGISTRY_LOG_INCONSISTENT or REGISTRY_UNAVAILABLE */
  async follow(maxAgeMs: number): Promise<void> {
    const isRecent = this.#options.elapsed() - this.#followedAt < maxAgeMs;
    if (isRecent && this.#problem === null) return;
    // What is under way began too early, and its failure is its own.
    if (maxAgeMs === 0) await this.#following?.catch(() => undefined);
    this.#following ??= this.#followNow().finally(() => (this.#following = null));
    await this.#following;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #followNow(): Promise<void> {
    const begunAt = this.#options.elapsed();
    try {
      const { registry, logKey } = this.#options.readPolicy();
      const { store, admitPath, now } = this.#options;
      const before = await store.readFollowed(logKey);
      const news = new Set<PackName>();
      const log = await store.keepFollowed(logKey, now(), (add) =>
        followRegistry(
          admitPath,
          { registry, logKey, from: before?.place ?? { size: 0, frontier: "" }, seen: [] },
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
      if (news.size > 0) this.#options.onNews(news);
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      await this.#settle({ code, message });
      throw thrown;
    }
  }

  async #check(agent: string): Promise<void> {
    const { logKey } = this.#options.readPolicy();
    const seen = this.#seen.get(agent) ?? null;
    // An agent of another registry has another log to follow.
    if (seen === null || seen.logKey !== logKey || seen.head.size === 0) return;
    const ours = await this.#options.store.readHead(logKey, seen.head.size);
    // Longer than ours, and our own look failed: not known yet.
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
    await this.#options.auditLog.append(
      buildAuditRecord(this.#options.now(), event, {
        agent,
        status: isAlarm ? "failure" : "info",
        code: isAlarm ? "REGISTRY_LOG_INCONSISTENT" : null,
        detail,
      }),
    );
  }

  /** What is wrong stands in `status` and, for an alarm, in the audit log. */
  #followQuietly(): void {
    this.follow(RECENT_MS).catch((thrown: unknown) => {
      const error = toSondeError(thrown);
      // A registry that is down is no defect of the hub.
      if (error.code !== "REGISTRY_UNAVAILABLE") this.#options.report(error);
    });
  }
}
