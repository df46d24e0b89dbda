import type { Socket } from "node:net";
import type { RunnerHello } from "@sonde/schemas/reads";
import { fitsGroups } from "../../core/fits-groups.ts";
import { type KeptConnection, keepConnected } from "./keep-connected.ts";
import { RunnerConnection } from "./runner-connection.ts";

/** A runner's socket and the groups that whoever starts the runner gives it. */
export type RunnerPlace = {
  socketPath: string;
  groups: readonly string[];
  /** It is for reads that leave the host, and for no others. */
  reachesHosts?: boolean;
  /**
   * Ms after the last question until the agent leaves the runner, which then ends. The socket starts
   * it again. Null for a runner that somebody keeps running.
   */
  restAfterMs: number | null;
};

export type PostOptions = {
  /** The agent's own groups if runners are its user, else none. */
  sharedGroups: readonly string[];
  log: (event: string, detail: string) => void;
  /** Called after `hello` has changed. */
  onChange: () => void;
};

/**
 * The agent's side of one runner's place. It is connected or tries to be. It may also
 * rest: then the runner has ended, and serves again after `wake`.
 */
export class RunnerPost {
  readonly #place: RunnerPlace;
  readonly #options: PostOptions;
  readonly #kept: KeptConnection;
  #connection: RunnerConnection | null = null;
  /** The last hello of a runner that rests or is being woken. */
  #rested: RunnerHello | null = null;
  #quiet: NodeJS.Timeout | undefined;

  constructor(place: RunnerPlace, options: PostOptions) {
    this.#place = place;
    this.#options = options;
    this.#kept = keepConnected(
      place.socketPath,
      Math.random,
      (socket) => this.#begin(socket),
      () => this.#forgetRested(),
      options.log,
    );
  }

  /** The place of the runner. */
  get place(): RunnerPlace {
    return this.#place;
  }

  /** What the runner said last; null when there is none to ask. */
  get hello(): RunnerHello | null {
    return this.#connection?.hello ?? this.#rested;
  }

  /** The runner's connection after its hello; null while it rests or is away. */
  get connection(): RunnerConnection | null {
    return this.#connection?.hello ? this.#connection : null;
  }

  /** Makes a runner that rests serve again. Call it before each question. */
  wake(): void {
    this.#quiet?.refresh();
    if (this.#rested !== null) this.#kept.wake();
  }

  close(reason: string): void {
    clearTimeout(this.#quiet);
    this.#connection?.close(reason);
    this.#kept.end();
  }

  #begin(socket: Socket): void {
    const connection = new RunnerConnection(
      socket,
      (hello) => this.#whyRefused(hello),
      () => {
        const { hello } = connection;
        this.#rested = null;
        this.#options.log(
          "runner-connected",
          `pid ${hello?.pid} groups ${hello?.groups.join(",")}`,
        );
        this.#restWhenQuiet();
        this.#options.onChange();
      },
      (_, reason) => {
        const pid = connection.hello?.pid ?? "unknown";
        this.#options.log("runner-gone", `pid ${pid}: ${reason}`);
        if (this.#connection !== connection) return;
        this.#connection = null;
        // One that was woken has ended before its hello.
        if (connection.hello === null) this.#rested = null;
        this.#options.onChange();
      },
    );
    this.#connection = connection;
  }

  #forgetRested(): void {
    this.#rested = null;
    this.#options.onChange();
  }

  #restWhenQuiet(): void {
    const { restAfterMs } = this.#place;
    clearTimeout(this.#quiet);
    if (restAfterMs === null) return;
    this.#quiet = setTimeout(() => {
      const connection = this.#connection;
      if (connection === null) return;
      if (connection.pendingCount > 0) {
        this.#quiet?.refresh();
        return;
      }
      this.#rested = connection.hello;
      this.#connection = null;
      this.#kept.end();
    }, restAfterMs);
    this.#quiet.unref();
  }

  /** A runner's own word does not count: its groups are those of its socket. */
  #whyRefused({ groups }: RunnerHello): string | null {
    const { socketPath, groups: given } = this.#place;
    if (fitsGroups(groups, given, this.#options.sharedGroups)) return null;
    const list = (names: readonly string[]) => names.join(", ") || "no group";
    return `expected the runner at ${socketPath} in ${list(given)}, it is in ${list(groups)}`;
  }
}
