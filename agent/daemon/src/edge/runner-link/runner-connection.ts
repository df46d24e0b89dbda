import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { type RunnerHello, type RunnerRequest, parseRunnerHello } from "@sonde/schemas/reads";
import { type Frame, FrameReader, encodeStreamFrame } from "@sonde/schemas/wire";
import { type RunnerReply, parseRunnerReply } from "./parse-runner-reply.ts";

type Asked = Exclude<RunnerRequest, { op: "cancel" }>;
type Pending = {
  op: RunnerReply["op"];
  timer: NodeJS.Timeout;
  resolve(reply: RunnerReply): void;
  reject(error: SondeError): void;
};

/** Distributes over the union, so that each request keeps its own fields. */
type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type RunnerAsk = { head: WithoutId<Asked>; body?: Uint8Array };

const HELLO_MS = 10_000;

/**
 * One connected runner. A runner reads hostile files and is the parent of pack code, so
 * the agent treats it as hostile. Every reply is parsed and must answer an open question.
 * Anything else ends this connection and affects nothing else.
 */
export class RunnerConnection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #checkHello: (hello: RunnerHello) => string | null;
  readonly #onHello: (connection: RunnerConnection) => void;
  readonly #silent: NodeJS.Timeout;
  #hello: RunnerHello | null = null;
  #asked = 0;

  /** @param checkHello returns why the runner is refused, or null */
  constructor(
    socket: Socket,
    checkHello: (hello: RunnerHello) => string | null,
    onHello: (connection: RunnerConnection) => void,
    onEnd: (connection: RunnerConnection, reason: string) => void,
  ) {
    this.#socket = socket;
    this.#checkHello = checkHello;
    this.#onHello = onHello;
    let reason = "it closed the connection";
    const reader = new FrameReader((frame) => this.#onFrame(frame));
    this.#silent = setTimeout(() => this.close("it did not introduce itself"), HELLO_MS);
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.close(error instanceof Error ? error.message : "it broke the protocol");
      }
    });
    socket.on("error", (error) => {
      reason = error.message;
    });
    socket.on("close", () => {
      clearTimeout(this.#silent);
      for (const pending of this.#pending.values()) pending.reject(lost(reason));
      this.#pending.clear();
      onEnd(this, reason);
    });
  }

  /** Null until the runner has sent its hello; it is asked nothing before. */
  get hello(): RunnerHello | null {
    return this.#hello;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Sends a question and resolves with its reply.
   *
   * @param deadlineMs without a reply by then the runner counts as stuck: the connection
   *   ends, and every other question on it is asked of another runner
   * @param signal ends the reads of the question when it is aborted; the reply then comes soon
   * @throws SondeError RUNNER_UNAVAILABLE; RESULT_TOO_LARGE when the question does not
   *   fit a frame
   */
  ask({ head, body }: RunnerAsk, deadlineMs: number, signal?: AbortSignal): Promise<RunnerReply> {
    const id = ++this.#asked;
    const frame = encodeStreamFrame({ id, ...head }, body);
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(lost("the connection has ended"));
      const timer = setTimeout(() => this.close("it did not answer in time"), deadlineMs);
      this.#pending.set(id, { op: head.op, timer, resolve, reject });
      this.#socket.write(frame);
      signal?.addEventListener("abort", () => this.#cancel(id), { once: true });
    });
  }

  #cancel(id: number): void {
    if (this.#pending.has(id)) this.#socket.write(encodeStreamFrame({ id, op: "cancel" }));
  }

  close(reason: string): void {
    this.#socket.destroy(new Error(reason));
  }

  #onFrame(frame: Frame): void {
    if (this.#hello === null) {
      const hello = parseRunnerHello(frame.head);
      const refused = this.#checkHello(hello);
      if (refused !== null) throw new SondeError("RUNNER_UNAVAILABLE", refused);
      this.#hello = hello;
      clearTimeout(this.#silent);
      return this.#onHello(this);
    }
    const reply = parseRunnerReply(frame);
    const pending = this.#pending.get(reply.id);
    if (pending === undefined || pending.op !== reply.op) {
      throw new SondeError("RUNNER_UNAVAILABLE", "it answered what was not asked");
    }
    this.#pending.delete(reply.id);
    clearTimeout(pending.timer);
    pending.resolve(reply);
  }
}

function lost(reason: string): SondeError {
  return new SondeError("RUNNER_UNAVAILABLE", `the runner is gone: ${reason}`);
}
