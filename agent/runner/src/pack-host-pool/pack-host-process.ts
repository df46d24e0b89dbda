import { residentBytes } from "@sonde/privileges";
import { type Frame, FrameReader, encodeStreamFrame } from "@sonde/schemas/wire";
import {
  type PackHostAnswer,
  type PackHostNews,
  type PackHostRequest,
  REPLY_LIMITS,
  parsePackHostReply,
} from "../pack-host/pack-host-protocol.ts";
import type { StartedPackHost } from "./pack-host-launcher.ts";

export type GuestCall = { probeName: string; input: Buffer; timeoutMs: number };

/**
 * `lost` says that the host ended without an answer. A guest is a pure function, so the call may be
 * tried again on another host.
 */
export type GuestOutcome = PackHostAnswer | { lost: string };

const START_MS = 10_000;
/**
 * The isolate stops itself at the deadline. If it does not, its process is killed this
 * much later.
 */
const GRACE_MS = 500;
const WATCH_MS = 20;
/** Memory besides the isolate: Node itself, the bundle and the largest input frame. */
const BASE_MB = 256;
const MAX_STDERR = 2000;

type Ready = Extract<PackHostNews, { op: "ready" }>;
type Pending = { id: number; settle(outcome: GuestOutcome): void };

/**
 * One pack host: a process with one isolate. The caller runs one call at a time. The
 * pack host is killed when a call overruns its deadline or the process its
 * memory limit, because `isolated-vm` guarantees neither. A host that ended is never
 * restarted.
 */
export class PackHostProcess {
  readonly #process: StartedPackHost;
  readonly #ready: Promise<Ready | null>;
  readonly #maxBytes: number;
  readonly #onEnd: () => void;
  #setReady: (ready: Ready | null) => void = () => undefined;
  #pending: Pending | null = null;
  #calls = 0;
  #nodePid: number | null = null;
  #stderr = "";
  #hasEnded = false;
  /** Why the runner ended the host; null when it ended by itself. */
  #verdict: PackHostAnswer | null = null;

  constructor(started: StartedPackHost, code: Buffer, memoryMb: number, onEnd: () => void) {
    this.#maxBytes = (BASE_MB + 2 * memoryMb) * 1024 * 1024;
    this.#onEnd = onEnd;
    this.#process = started;
    this.#ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    const starting = setTimeout(() => this.kill(), START_MS);
    void this.#ready.then(() => clearTimeout(starting));
    this.#listen();
    this.#send({ op: "load", memoryMb }, code);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The end of the process's stderr, where V8 explains an abort. */
  get lastWords(): string {
    return this.#stderr.trim();
  }

  async run({ probeName, input, timeoutMs }: GuestCall): Promise<GuestOutcome> {
    if ((await this.#ready) === null) return { lost: "the pack's process could not be started" };
    const id = ++this.#calls;
    const watch = this.#watch(timeoutMs);
    const outcome = await new Promise<GuestOutcome>((settle) => {
      this.#pending = { id, settle };
      if (this.#hasEnded) this.#settlePending();
      else this.#send({ op: "run", id, probeName, timeoutMs }, input);
    });
    watch.stop();
    // The isolate ran out of memory and is gone, so its process is useless.
    if ("ok" in outcome && !outcome.ok && outcome.failure.code === "PACK_CRASHED") this.kill();
    return outcome;
  }

  kill(verdict: PackHostAnswer | null = null): void {
    this.#verdict ??= verdict;
    this.#hasEnded = true;
    this.#setReady(null);
    this.#process.kill();
  }

  #listen(): void {
    const { input, output, stderr, nodePid, ended } = this.#process;
    void this.#learnNodePid(nodePid ?? this.#ready.then((ready) => ready?.pid ?? null));
    const reader = new FrameReader((frame) => this.#onReply(frame), REPLY_LIMITS);
    output.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        // A pack host that breaks the protocol may be under an attacker's control, so it ends.
        this.kill(fail("PACK_CRASHED", "the pack's process did not keep to the protocol"));
      }
    });
    stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-MAX_STDERR);
    });
    // EPIPE means that the process is ending.
    input.on("error", () => this.kill());
    void ended.then(() => this.#end());
  }

  async #learnNodePid(nodePid: Promise<number | null>): Promise<void> {
    try {
      this.#nodePid = await nodePid;
    } catch {
      this.#nodePid = null;
    }
    // Without the process id the memory limit cannot be enforced.
    if (this.#nodePid === null) this.kill();
  }

  #onReply(frame: Frame): void {
    const reply = parsePackHostReply(frame);
    // Of a later one the pack may be the author; only the first counts.
    if (reply.op === "ready") return this.#setReady(reply);
    const pending = this.#pending;
    // The reply belongs to a call that has already ended.
    if (pending === null || pending.id !== reply.id) return;
    this.#pending = null;
    pending.settle(reply.answer);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#setReady(null);
    this.#settlePending();
    this.#onEnd();
  }

  #settlePending(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return;
    if (this.#verdict !== null) return pending.settle(this.#verdict);
    pending.settle({ lost: "the pack's process ended without an answer" });
  }

  #watch(timeoutMs: number): { stop(): void } {
    const deadline = setTimeout(() => {
      this.kill(fail("PACK_TIMEOUT", `expected an answer within ${timeoutMs} ms, got none`));
    }, timeoutMs + GRACE_MS);
    const memory = setInterval(() => {
      if (residentBytes(this.#nodePid) > this.#maxBytes) {
        this.kill(fail("PACK_CRASHED", "the pack's process used more memory than it may"));
      }
    }, WATCH_MS);
    return {
      stop: () => {
        clearTimeout(deadline);
        clearInterval(memory);
      },
    };
  }

  #send(request: PackHostRequest, body: Buffer): void {
    const { input } = this.#process;
    if (input.writable) input.write(encodeStreamFrame(request, body));
  }
}

function fail(code: "PACK_TIMEOUT" | "PACK_CRASHED", message: string): PackHostAnswer {
  return { ok: false, failure: { code, message } };
}
