import { chmodSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type FilledRead, type RunnerHello, type RunnerRequest } from "@sonde/schemas/reads";
import { fitsGroups } from "../../core/fits-groups.ts";
import { type ReadsDone, checkReads } from "./check-reads.ts";
import type { RunDone, RunnerReply } from "./parse-runner-reply.ts";
import { type RunnerAsk, RunnerConnection } from "./runner-connection.ts";

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
   * Performs reads on a runner that is in exactly `neededGroups`. `mayRetry` says whether they may
   * be performed twice.
   *
   * @throws SondeError RUNNER_UNAVAILABLE, RESULT_TOO_LARGE
   */
  read(
    reads: FilledRead[],
    timeoutMs: number,
    neededGroups: string[],
    mayRetry: boolean,
  ): Promise<ReadsDone>;
  /** Runs a guest on a runner without groups, since a guest needs none. Throws as `read` does. */
  run(request: RunAsk): Promise<RunDone>;
  /** Ends the pack's hosts on every runner. Does not wait for it. */
  drop(packDigest: string): void;
  /** True when a runner in exactly `neededGroups` is connected. */
  serves(neededGroups: readonly string[]): boolean;
  /** The runners that are connected now. */
  runners(): RunnerHello[];
  close(): Promise<void>;
};

export type RunnerLinkOptions = {
  socketPath: string;
  /**
   * Mode of the socket. Its folder must keep all others out: any process that connects is
   * taken for a runner.
   */
  socketMode: number;
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

/** Listens for runners on a unix socket. Replaces a socket that a killed agent left behind. */
export async function createRunnerLink(options: RunnerLinkOptions): Promise<RunnerLink> {
  const { socketPath, socketMode } = options;
  const fleet = new Fleet(options);
  const server = createServer((socket) =>
    fleet.add(new RunnerConnection(socket, fleet.onHello, fleet.onEnd)),
  );
  await listen(server, socketPath, socketMode);
  return {
    read: (reads, timeoutMs, neededGroups, mayRetry) =>
      fleet.ask(
        { head: { op: "read", reads, timeoutMs } },
        timeoutMs + READ_GRACE_MS,
        { groups: neededGroups, mayRetry },
        (reply) => checkReads(reads, reply),
      ),
    run: ({ input, ...guest }) =>
      fleet.ask(
        { head: { op: "run", ...guest }, body: input },
        guest.timeoutMs + RUN_GRACE_MS,
        { groups: [], mayRetry: true },
        takeRun,
      ),
    drop: (packDigest) => fleet.tellAll({ head: { op: "drop", packDigest } }),
    serves: (neededGroups) => fleet.fitting(neededGroups).length > 0,
    runners: () => fleet.hellos(),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      fleet.close();
      await closed;
    },
  };
}

async function listen(server: Server, path: string, mode: number): Promise<void> {
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  // The umask kept others from connecting until here.
  chmodSync(path, mode);
}

function takeRun(reply: RunnerReply): RunDone {
  if (reply.op === "run") return reply.done;
  throw new SondeError("RUNNER_UNAVAILABLE", "the runner answered with another kind of reply");
}

class Fleet {
  readonly #connections = new Set<RunnerConnection>();
  readonly #waiting = new Set<() => void>();
  readonly #log: RunnerLinkOptions["log"];
  readonly #sharedGroups: readonly string[];

  constructor({ log, sharedGroups }: RunnerLinkOptions) {
    this.#log = log;
    this.#sharedGroups = sharedGroups;
  }

  add(connection: RunnerConnection): void {
    this.#connections.add(connection);
  }

  readonly onHello = ({ hello }: RunnerConnection): void => {
    this.#log("runner-connected", `pid ${hello?.pid} groups ${hello?.groups.join(",")}`);
    for (const wake of this.#waiting) wake();
  };

  readonly onEnd = (connection: RunnerConnection, reason: string): void => {
    this.#connections.delete(connection);
    this.#log("runner-gone", `pid ${connection.hello?.pid ?? "unknown"}: ${reason}`);
  };

  async ask<T>(
    request: RunnerAsk,
    deadlineMs: number,
    { groups, mayRetry }: { groups: string[]; mayRetry: boolean },
    check: (reply: RunnerReply) => T,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#choose(groups);
      try {
        return check(await connection.ask(request, deadlineMs));
      } catch (thrown) {
        const error = toSondeError(thrown);
        if (error.code !== "RUNNER_UNAVAILABLE" || attempt > 0 || !mayRetry) throw error;
      }
    }
  }

  tellAll(request: RunnerAsk): void {
    for (const connection of this.#connections) {
      if (connection.hello === null) continue;
      connection.ask(request, DROP_MS).catch((error: unknown) => {
        // The runner is gone, and its pack hosts with it.
        this.#log("drop-unanswered", toSondeError(error).message);
      });
    }
  }

  hellos(): RunnerHello[] {
    return [...this.#connections].flatMap(({ hello }) => (hello === null ? [] : [hello]));
  }

  close(): void {
    for (const connection of this.#connections) connection.close("the agent ends");
  }

  /**
   * Runners in exactly these groups. A runner with an extra group would give the pack a
   * right that it was not granted.
   */
  fitting(groups: readonly string[]): RunnerConnection[] {
    return [...this.#connections].filter(
      ({ hello }) => hello !== null && fitsGroups(hello.groups, groups, this.#sharedGroups),
    );
  }

  /** Picks the least busy runner in exactly these groups. */
  async #choose(groups: string[]): Promise<RunnerConnection> {
    const end = performance.now() + APPEAR_MS;
    for (;;) {
      const [best] = this.fitting(groups).sort((a, b) => a.pendingCount - b.pendingCount);
      if (best !== undefined) return best;
      const left = end - performance.now();
      if (left <= 0) {
        const which = groups.length === 0 ? "no groups" : `exactly the groups ${groups.join(", ")}`;
        throw new SondeError(
          "RUNNER_UNAVAILABLE",
          `expected a runner with ${which}, none is connected`,
        );
      }
      await this.#nextHello(left);
    }
  }

  #nextHello(timeoutMs: number): Promise<void> {
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
