import { chmodSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type FilledRead, type RunnerHello, type RunnerRequest } from "@sonde/schemas/reads";
import { fitsGroups } from "../../core/fits-groups.ts";
import { type ReadsDone, checkReads } from "./check-reads.ts";
import type { RunDone, RunnerReply } from "./parse-runner-reply.ts";
import { type RunnerAsk, RunnerConnection } from "./runner-connection.ts";

export type { RunDone } from "./parse-runner-reply.ts";
/** `input` is a GuestInput, as JSON in UTF-8. */
export type RunAsk = Omit<Extract<RunnerRequest, { op: "run" }>, "id" | "op"> & {
  input: Uint8Array;
};

/**
 * The agent's side of its runners. Questions are asked side by side. One whose runner
 * vanishes is asked once more of the replacement, if that comes soon: reads change nothing
 * and guests are pure functions.
 */
export type RunnerLink = {
  /**
   * Performs reads on a runner that is in exactly the `neededGroups`.
   *
   * @throws SondeError RUNNER_UNAVAILABLE, RESULT_TOO_LARGE
   */
  read(reads: FilledRead[], timeoutMs: number, neededGroups: string[]): Promise<ReadsDone>;
  /** Runs a guest on a runner that is in no group: it needs none. Throws as `read` does. */
  run(request: RunAsk): Promise<RunDone>;
  /** Ends the pack's host on every runner; does not wait. */
  drop(packDigest: string): void;
  /** True when a runner that could perform such reads is connected. */
  serves(neededGroups: readonly string[]): boolean;
  /** Those connected now. */
  runners(): RunnerHello[];
  close(): Promise<void>;
};

export type RunnerLinkOptions = {
  socketPath: string;
  /** Mode of the socket. Its folder must keep everybody else out: who can connect is a runner. */
  socketMode: number;
  /** The agent's own groups where runners are of its user, else none. */
  sharedGroups: readonly string[];
  log: (event: string, detail: string) => void;
};

/** How long a question waits for a runner that is starting or being replaced. */
const APPEAR_MS = 5000;
/** A runner answers reads at their deadline; later than this it is stuck. */
const READ_GRACE_MS = 1500;
/** A call may wait for calls before it (runner.ts, QUEUE_LIMITS), a cold start and a crash. */
const RUN_GRACE_MS = 15_000;
const DROP_MS = 10_000;

/** Listens for runners on a unix socket. A socket left over from a killed agent is replaced. */
export async function createRunnerLink(options: RunnerLinkOptions): Promise<RunnerLink> {
  const { socketPath, socketMode } = options;
  const fleet = new Fleet(options);
  const server = createServer((socket) =>
    fleet.add(new RunnerConnection(socket, fleet.onHello, fleet.onEnd)),
  );
  await listen(server, socketPath, socketMode);
  return {
    read: (reads, timeoutMs, neededGroups) =>
      fleet.ask(
        { head: { op: "read", reads, timeoutMs } },
        timeoutMs + READ_GRACE_MS,
        neededGroups,
        (reply) => checkReads(reads, reply),
      ),
    run: ({ input, ...guest }) =>
      fleet.ask(
        { head: { op: "run", ...guest }, body: input },
        guest.timeoutMs + RUN_GRACE_MS,
        [],
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
  // Until here nobody but the owner may connect: the umask leaves others no right to write.
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
    groups: string[],
    check: (reply: RunnerReply) => T,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const connection = await this.#choose(groups);
      try {
        return check(await connection.ask(request, deadlineMs));
      } catch (thrown) {
        const error = toSondeError(thrown);
        if (error.code !== "RUNNER_UNAVAILABLE" || attempt > 0) throw error;
      }
    }
  }

  tellAll(request: RunnerAsk): void {
    for (const connection of this.#connections) {
      if (connection.hello === null) continue;
      connection.ask(request, DROP_MS).catch((error: unknown) => {
        // A runner that is gone took its pack hosts along.
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

  /** Never one with a group too many: what a pack was not granted it does not get for want of another. */
  fitting(groups: readonly string[]): RunnerConnection[] {
    return [...this.#connections].filter(
      ({ hello }) => hello !== null && fitsGroups(hello.groups, groups, this.#sharedGroups),
    );
  }

  /** The least busy runner with exactly these groups. */
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
