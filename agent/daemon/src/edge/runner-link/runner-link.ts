import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type FilledRead, type RunnerHello, type RunnerRequest } from "@sonde/schemas/reads";
import { asksHosts } from "@sonde/sources";
import { fitsGroups } from "../../core/fits-groups.ts";
import { type ReadsDone, checkReads } from "./check-reads.ts";
import type { RunDone, RunnerReply } from "./parse-runner-reply.ts";
import type { RunnerAsk, RunnerConnection } from "./runner-connection.ts";
import { type PostOptions, type RunnerPlace, RunnerPost } from "./runner-post.ts";
import { watchSockets } from "./watch-sockets.ts";

export type { RunDone } from "./parse-runner-reply.ts";
/** `input` is a GuestInput as JSON in UTF-8. */
export type RunAsk = Omit<Extract<RunnerRequest, { op: "run" }>, "id" | "op"> & {
  input: Uint8Array;
};

/**
 * The agent's connections to its runners. Questions run concurrently. If a runner
 * disconnects, its open questions are retried once on its replacement: guests, which are pure
 * functions, and reads that only observe. A read above `observe` may change the host, and is not
 * retried.
 */
export type RunnerLink = {
  /**
   * Performs reads on a runner that is in exactly `neededGroups`: where there is one for reads that
   * leave the host, on that one if any of them does. `mayRetry` says whether they may be performed
   * twice.
   *
   * @param signal ends the reads when it is aborted
   * @throws SondeError RUNNER_UNAVAILABLE, RESULT_TOO_LARGE
   */
  read(
    reads: FilledRead[],
    timeoutMs: number,
    neededGroups: string[],
    mayRetry: boolean,
    signal?: AbortSignal,
  ): Promise<ReadsDone>;
  /** Runs a guest on a runner without groups, since a guest needs none. Throws as `read` does. */
  run(request: RunAsk): Promise<RunDone>;
  /** Ends the pack's hosts on every runner. Does not wait for it. */
  drop(packDigest: string): void;
  /** True when a runner in exactly `neededGroups` is connected. */
  serves(neededGroups: readonly string[]): boolean;
  /** The runners that are connected now. */
  runners(): RunnerHello[];
  /** Calls `listener` after the runners have changed. The last listener counts. */
  onChange(listener: () => void): void;
  close(): void;
};

export type RunnerLinkOptions = {
  /** Runners that somebody keeps running. */
  runners: readonly { socketPath: string; groups: readonly string[] }[];
  /** The folder of the sockets that start runners, and the time until these may end. */
  onDemand?: { folder: string; restAfterMs: number };
  /** The agent's own groups if runners are its user, else none. */
  sharedGroups: readonly string[];
  log: (event: string, detail: string) => void;
};

/** How long a question waits for a runner that is starting or being replaced. */
const APPEAR_MS = 5000;
/** A runner answers reads by their deadline. One that is later by more than this is stuck. */
const READ_GRACE_MS = 1500;
/**
 * Covers earlier calls in the pack's queue (QUEUE_LIMITS in agent/runner/src/main.ts), a
 * cold start and a crash.
 */
const RUN_GRACE_MS = 15_000;
const DROP_MS = 10_000;

/**
 * Connects to each runner's socket and keeps it connected. Only the process that was given
 * the listening socket can answer there; see agent/runner/src/listen-for-agent.ts.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function createRunnerLink(options: RunnerLinkOptions): RunnerLink {
  const fleet = new Fleet(options);
  for (const place of options.runners) fleet.add({ ...place, restAfterMs: null });
  const stopWatching =
    options.onDemand &&
    watchSockets(options.onDemand, (places) => fleet.setOnDemand(places), options.log);
  return {
    read: (reads, timeoutMs, neededGroups, mayRetry, signal) =>
      fleet.ask(
        { head: { op: "read", reads, timeoutMs } },
        timeoutMs + READ_GRACE_MS,
        {
          groups: neededGroups,
          leavesHost: reads.some(({ source }) => asksHosts(source)),
          mayRetry,
          ...(signal && { signal }),
        },
        (reply) => checkReads(reads, reply),
      ),
    run: ({ input, ...guest }) =>
      fleet.ask(
        { head: { op: "run", ...guest }, body: input },
        guest.timeoutMs + RUN_GRACE_MS,
        { groups: [], leavesHost: false, mayRetry: true },
        takeRun,
      ),
    drop: (packDigest) => fleet.tellAll({ head: { op: "drop", packDigest } }),
    serves: (neededGroups) => fleet.fitting(neededGroups, false).length > 0,
    runners: () => fleet.hellos(),
    onChange: (listener) => fleet.onChange(listener),
    close: () => {
      stopWatching?.();
      fleet.close();
    },
  };
}

function takeRun(reply: RunnerReply): RunDone {
  if (reply.op === "run") return reply.done;
  throw new SondeError("RUNNER_UNAVAILABLE", "the runner answered with another kind of reply");
}

/** What a question needs of its runner. */
type Asking = { groups: string[]; leavesHost: boolean; mayRetry: boolean; signal?: AbortSignal };

class Fleet {
  /** By the path of the socket. */
  readonly #posts = new Map<string, RunnerPost>();
  readonly #onDemand = new Set<string>();
  readonly #waiting = new Set<() => void>();
  readonly #options: PostOptions;
  #listener: () => void = () => undefined;

  constructor({ log, sharedGroups }: RunnerLinkOptions) {
    this.#options = { log, sharedGroups, onChange: () => this.#tellChange() };
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  add(place: RunnerPlace): void {
    this.#posts.set(place.socketPath, new RunnerPost(place, this.#options));
  }

  /** Leaves the runners whose sockets are gone, and connects to new ones. */
  setOnDemand(places: readonly RunnerPlace[]): void {
    const now = new Map(places.map((place) => [place.socketPath, place]));
    for (const path of this.#onDemand) {
      if (now.has(path)) continue;
      this.#posts.get(path)?.close("its socket is gone");
      this.#posts.delete(path);
      this.#onDemand.delete(path);
    }
    for (const [path, place] of now) {
      if (this.#posts.has(path)) continue;
      this.#onDemand.add(path);
      this.add(place);
    }
    this.#tellChange();
  }

  async ask<T>(
    request: RunnerAsk,
    deadlineMs: number,
    { groups, leavesHost, mayRetry, signal }: Asking,
    check: (reply: RunnerReply) => T,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#choose(groups, leavesHost);
      signal?.throwIfAborted();
      try {
        return check(await connection.ask(request, deadlineMs, signal));
      } catch (thrown) {
        const error = toSondeError(thrown);
        if (error.code !== "RUNNER_UNAVAILABLE" || attempt > 0 || !mayRetry) throw error;
      }
    }
  }

  tellAll(request: RunnerAsk): void {
    for (const { connection } of this.#posts.values()) {
      connection?.ask(request, DROP_MS).catch((error: unknown) => {
        // The runner is gone, and its pack hosts with it.
        this.#options.log("drop-unanswered", toSondeError(error).message);
      });
    }
  }

  hellos(): RunnerHello[] {
    return [...this.#posts.values()].flatMap(({ hello }) => (hello === null ? [] : [hello]));
  }

  close(): void {
    for (const post of this.#posts.values()) post.close("the agent ends");
  }

  /**
   * Runners in exactly these groups. A runner with an extra group would give the pack a
   * right that it was not granted, and so would one that reaches other hosts.
   */
  fitting(groups: readonly string[], leavesHost: boolean): RunnerPost[] {
    const fits = (has: readonly string[]) => fitsGroups(has, groups, this.#options.sharedGroups);
    const posts = [...this.#posts.values()];
    // Where nothing keeps runners on their host, none is apart for reads that leave it.
    const isApart = posts.some(({ place }) => place.reachesHosts === true && fits(place.groups));
    return posts.filter(
      ({ hello, place }) =>
        hello !== null &&
        fits(hello.groups) &&
        (place.reachesHosts === true) === (leavesHost && isApart),
    );
  }

  /** Picks the least busy runner in exactly these groups, and wakes those that rest. */
  async #choose(groups: string[], leavesHost: boolean): Promise<RunnerConnection> {
    const end = performance.now() + APPEAR_MS;
    for (;;) {
      const fitting = this.fitting(groups, leavesHost);
      for (const post of fitting) post.wake();
      const [best] = fitting
        .flatMap(({ connection }) => (connection === null ? [] : [connection]))
        .sort((a, b) => a.pendingCount - b.pendingCount);
      if (best !== undefined) return best;
      const left = end - performance.now();
      if (left <= 0) {
        const which = groups.length === 0 ? "no groups" : `exactly the groups ${groups.join(", ")}`;
        throw new SondeError(
          "RUNNER_UNAVAILABLE",
          `expected a runner with ${which}, none is connected`,
        );
      }
      await this.#nextChange(left);
    }
  }

  #tellChange(): void {
    for (const wake of this.#waiting) wake();
    this.#listener();
  }

  #nextChange(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
