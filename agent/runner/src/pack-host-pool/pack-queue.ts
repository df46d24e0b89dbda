import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Failure, type RunnerRequest } from "@sonde/schemas/reads";
import type { PackHostAnswer } from "../pack-host/pack-host-protocol.ts";
import type { PackHostLauncher } from "./pack-host-launcher.ts";
import { PackHostProcess } from "./pack-host-process.ts";
import { readCode } from "./read-code.ts";

export type RunRequest = Extract<RunnerRequest, { op: "run" }> & { input: Buffer };
export type QueueLimits = { maxWaiting: number; maxWaitMs: number; idleMs: number };

/**
 * Runs the calls of one pack one at a time, on one host. The host is started on first
 * use, kept warm, ended when idle and replaced after a crash. The call that was running then is
 * tried once more on a new host: it need not be what crashed the first.
 */
export class PackQueue {
  readonly #launcher: PackHostLauncher;
  readonly #limits: QueueLimits;
  readonly #log: (event: string, detail: string) => void;
  #host: PackHostProcess | null = null;
  #codeSha256: string | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    launcher: PackHostLauncher,
    limits: QueueLimits,
    log: (event: string, detail: string) => void,
  ) {
    this.#launcher = launcher;
    this.#limits = limits;
    this.#log = log;
  }

  /** Never rejects. */
  run(request: RunRequest): Promise<PackHostAnswer> {
    if (this.#waiting >= this.#limits.maxWaiting) {
      return Promise.resolve(fail("AGENT_BUSY", "too many calls are waiting for this pack"));
    }
    this.#waiting++;
    clearTimeout(this.#idle);
    const joined = performance.now();
    const turn = this.#last.then(() => this.#runNext(request, joined));
    this.#last = turn;
    return turn.finally(() => {
      this.#waiting--;
      if (this.#waiting === 0) this.#rest();
    });
  }

  /** Called when the pack was revoked or replaced. Refuses every waiting call. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    this.#host?.kill(fail("PACK_NOT_ACTIVE", "the pack was withdrawn"));
  }

  async #runNext(request: RunRequest, joined: number): Promise<PackHostAnswer> {
    if (performance.now() - joined > this.#limits.maxWaitMs) {
      return fail("AGENT_BUSY", "the calls before this one took too long");
    }
    let lost = "";
    try {
      for (let attempt = 0; attempt < 2 && !this.#isClosed; attempt++) {
        const host = await this.#liveHost(request);
        const outcome = await host.run(request);
        if ("ok" in outcome) return outcome;
        lost = outcome.lost;
        this.#log("pack-host-lost", `${lost} ${host.lastWords}`.trim());
      }
    } catch (error) {
      const { code, message } = toSondeError(error);
      return fail(code, message);
    }
    if (this.#isClosed) return fail("PACK_NOT_ACTIVE", "the pack was withdrawn");
    return fail("PACK_CRASHED", lost);
  }

  async #liveHost(request: RunRequest): Promise<PackHostProcess> {
    if (this.#host !== null && !this.#host.hasEnded) {
      if (this.#codeSha256 === request.codeSha256) return this.#host;
      throw new SondeError("DIGEST_MISMATCH", "one pack digest came with two digests of its code");
    }
    const code = await readCode(request.codePath, request.codeSha256);
    if (this.#isClosed) throw withdrawn();
    const started = await this.#launcher.start();
    if (this.#isClosed) {
      started.kill();
      throw withdrawn();
    }
    const host = new PackHostProcess(started, code, request.memoryMb, () => {
      if (host.lastWords !== "") this.#log("pack-host-ended", host.lastWords);
    });
    this.#host = host;
    this.#codeSha256 = request.codeSha256;
    return host;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#host?.kill(), this.#limits.idleMs);
    this.#idle.unref();
  }
}

function withdrawn(): SondeError {
  return new SondeError("PACK_NOT_ACTIVE", "the pack was withdrawn");
}

function fail(code: Failure["code"], message: string): PackHostAnswer {
  return { ok: false, failure: { code, message } };
}
