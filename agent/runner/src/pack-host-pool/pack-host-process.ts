import { readFileSync } from "node:fs";
import { killGroup } from "../powers/kill-group.ts";
import { type Frame, FrameReader, encodeStreamFrame } from "@sonde/schemas/wire";
import {
  type PackHostAnswer,
  type PackHostRequest,
  REPLY_LIMITS,
  parsePackHostReply,
} from "../pack-host/pack-host-protocol.ts";
import type { PackHostLauncher, PackHostChild } from "./pack-host-launcher.ts";

export type GuestCall = { probeName: string; input: Buffer; timeoutMs: number };

/**
 * `lost` means that the host ended before the call began, so the call may be retried on
 * another host.
 */
export type GuestOutcome = PackHostAnswer | { lost: string };

const START_MS = 10_000;
/**
 * The isolate stops itself at the deadline. If it does not, its process is killed this
 * much later.
 */
const GRACE_MS = 500;
const WATCH_MS = 20;
const PAGE_BYTES = 4096;
/** Memory besides the isolate: Node itself, the bundle and the largest input frame. */
const BASE_MB = 256;
const MAX_STDERR = 2000;

type Pending = { id: number; hasBegun: boolean; settle(outcome: GuestOutcome): void };

/**
 * One pack host: a process with one isolate. The caller runs one call at a time. The
 * whole process group is killed when a call overruns its deadline or the process its
 * memory limit, because `isolated-vm` guarantees neither. A host that ended is never
 * restarted.
 */
export class PackHostProcess {
  readonly #process: PackHostChild;
  readonly #ready: Promise<boolean>;
  readonly #maxBytes: number;
  readonly #onEnd: () => void;
  #setReady: (isReady: boolean) => void = () => undefined;
  #pending: Pending | null = null;
  #calls = 0;
  #nodePid: number | null = null;
  #stderr = "";
  #hasEnded = false;
  /** Why the runner ended the host; null when it ended by itself. */
  #verdict: PackHostAnswer | null = null;

  constructor(launcher: PackHostLauncher, code: Buffer, memoryMb: number, onEnd: () => void) {
    this.#maxBytes = (BASE_MB + 2 * memoryMb) * 1024 * 1024;
    this.#onEnd = onEnd;
    this.#process = launcher.start();
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
    if (!(await this.#ready)) return { lost: "the pack host did not start" };
    const id = ++this.#calls;
    const watch = this.#watch(timeoutMs);
    const outcome = await new Promise<GuestOutcome>((settle) => {
      this.#pending = { id, hasBegun: false, settle };
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
    this.#setReady(false);
    const { child } = this.#process;
    // Once an exit code is set, the process id may belong to another process.
    if (child.exitCode === null && child.signalCode === null) killGroup(child);
    child.stdin?.destroy();
  }

  #listen(): void {
    const { child, nodePid } = this.#process;
    void this.#learnNodePid(nodePid);
    const reader = new FrameReader((frame) => this.#onReply(frame), REPLY_LIMITS);
    child.stdout?.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        // A pack host that breaks the protocol may be under an attacker's control, so it ends.
        this.kill(fail("PACK_CRASHED", "the pack's process did not keep to the protocol"));
      }
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-MAX_STDERR);
    });
    // EPIPE means that the process is ending.
    child.stdin?.on("error", () => this.kill());
    child.on("error", () => this.#end());
    child.on("exit", () => this.#end());
  }

  async #learnNodePid(nodePid: PackHostChild["nodePid"]): Promise<void> {
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
    if (reply.op === "ready") return this.#setReady(true);
    const pending = this.#pending;
    // The reply belongs to a call that has already ended.
    if (pending === null || pending.id !== reply.id) return;
    if (reply.op === "begun") {
      pending.hasBegun = true;
      return;
    }
    this.#pending = null;
    pending.settle(reply.answer);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#setReady(false);
    this.#settlePending();
    this.#onEnd();
  }

  #settlePending(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending === null) return;
    if (this.#verdict !== null) return pending.settle(this.#verdict);
    if (!pending.hasBegun) return pending.settle({ lost: "the pack host ended" });
    pending.settle(fail("PACK_CRASHED", "the pack's code crashed its process"));
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
    const { stdin } = this.#process.child;
    if (stdin?.writable) stdin.write(encodeStreamFrame(request, body));
  }
}

/** Resident memory in bytes. The second field of `/proc/<pid>/statm` counts pages. */
function residentBytes(pid: number | null): number {
  if (pid === null) return 0;
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ");
    return Number(pages) * PAGE_BYTES;
  } catch {
    // The process has just ended; its `exit` event handles that.
    return 0;
  }
}

function fail(code: "PACK_TIMEOUT" | "PACK_CRASHED", message: string): PackHostAnswer {
  return { ok: false, failure: { code, message } };
}
