import { createHash } from "node:crypto";
import { type AuditRecord } from "@sonde/schemas/audit";
import { type ErrorCode, SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Capability } from "@sonde/schemas/names";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type {
  FilledRead,
  GuestInput,
  ReadOutcome,
  ReadTrace,
  RunnerOutcome,
} from "@sonde/schemas/reads";
import { encodeResult, type LogHead, MAX_READS_BYTES, type ResultBody } from "@sonde/schemas/wire";
import {
  buildRedactions,
  cutSentence,
  type OwnRules,
  type ScrubRun,
  SecretNumbers,
  scrub,
  startOwn,
} from "@sonde/scrub";
import type { AuditLog } from "./audit-log.ts";
import type { Answer, Call } from "./call.ts";
import { dropHiddenMatches, type ReadsDone } from "./drop-hidden-matches.ts";
import type { EncodedInput } from "./guest-input.ts";
import { type Collected, scrubFound, scrubReads } from "./scrub-reads.ts";

export type TrailHost = {
  agentName: string;
  audit: AuditLog;
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
  /** Whether a hub may get what was read, beside the answer. */
  maySendReads: boolean;
  /** Unix time in ms. */
  now: () => number;
  /** Monotonic ms. */
  clock: () => number;
};

type Stage = "reads" | "scrub" | "guest" | "audit";
type Outcome = Pick<ResultBody, "status" | "failure">;

/** Time reserved out of the caller's budget for the audit sync and the signature. */
const ANSWER_MS = 50;
const SCRUB_MESSAGE_MS = 1000;
const MAX_MESSAGE = 2000;
const MAX_NAME = 100;
const MAX_AUDITED_PARAMS = 4096;
/** Of all reads of one entry together, which is one line of a file. */
const MAX_AUDITED_READS = 300_000;
/** Of one. A statement has at most half of it. */
const MAX_AUDITED_READ = 3000;

/**
 * Collects the audit entries, timings, redactions and the answer of one call. The answer
 * is the body of a result message. It is built only after its audit entry is durable.
 */
export class CallTrail {
  /** Unix time in ms at which the call began. */
  readonly collectedAt: number;
  readonly #call: Call;
  readonly #host: TrailHost;
  readonly #begun: number;
  readonly #deadline: number;
  readonly #spent = { reads: 0, scrub: 0, guest: 0, audit: 0 };
  readonly #counts = new Map<string, number>();
  readonly #own: ScrubRun["own"];
  /** Who asked, as the records tell it. */
  readonly #askedBy: { askedBy?: string };
  readonly #numbers = new SecretNumbers();
  readonly #reads: ReadTrace[] = [];
  /** The body of the message with what the guest got. */
  #sentReads: Uint8Array | null = null;
  #truncated = false;
  #requested = false;

  constructor(call: Call, host: TrailHost) {
    this.#call = call;
    this.#host = host;
    this.#begun = host.clock();
    this.#deadline = this.#begun + Math.max(1, call.timeoutMs - ANSWER_MS);
    this.collectedAt = host.now();
    this.#own = startOwn(host.ownRules);
    this.#askedBy = call.askedBy === null ? {} : { askedBy: this.#toWords(call.askedBy) };
  }

  /** Returns the whole ms left for the work. @throws SondeError CALL_TIMEOUT when none is left */
  timeLeft(): number {
    const left = Math.floor(this.#deadline - this.#host.clock());
    if (left < 1) throw new SondeError("CALL_TIMEOUT", "the time the caller gave is used up");
    return left;
  }

  async time<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
    const begun = this.#host.clock();
    try {
      return await work();
    } finally {
      this.#spent[stage] += this.#host.clock() - begun;
    }
  }

  /** Scrubs a value before it leaves, within the call's time. @throws SondeError SCRUB_FAILED */
  scrub(value: unknown): unknown {
    return scrub(value, { ...this.#scrubRun(), numbers: this.#numbers });
  }

  /** Leaves out what a search must not have found. Throws as `dropHiddenMatches` does. */
  dropHiddenMatches(asked: readonly FilledRead[], done: ReadsDone): ReadsDone {
    return dropHiddenMatches(asked, done, { ...this.#scrubRun(), counts: new Map() });
  }

  /** Scrubs what values are looked for in. Throws as `scrubReads` does. */
  scrubFound(outcome: RunnerOutcome): ReadOutcome {
    return scrubFound(outcome, this.#uncountedRun());
  }

  /** Scrubs what was read, within the call's time. Throws as `scrubReads` does. */
  scrubReads(outcomes: Collected): GuestInput["reads"] {
    const clean = scrubReads(outcomes, { ...this.#scrubRun(), numbers: this.#numbers });
    // A guest that writes guesses into its result must not learn which of them is right.
    this.#numbers.forget();
    return clean;
  }

  /**
   * Notes what the guest gets of each read. The answer then states its digests, and the hub gets it
   * when it asks for it and this host allows that.
   */
  noteGuestReads({ digests, readsText }: EncodedInput): void {
    if (!this.#call.tellsDigests) return;
    if (this.#call.sendReads && this.#host.maySendReads) {
      const body = Buffer.from(`{"reads":${readsText}}`, "utf8");
      if (body.length <= MAX_READS_BYTES) this.#sentReads = body;
    }
    for (const trace of this.#reads) {
      const sha256 = digests.get(trace.name);
      if (sha256 !== undefined) trace.sha256 = sha256;
    }
  }

  addRead(trace: ReadTrace, outcome: RunnerOutcome): void {
    // Without numbers: it has the caller's parameters, which may be guesses.
    this.#reads.push({ ...trace, what: String(scrub(trace.what, this.#scrubRun())) });
    this.#truncated ||= outcome.ok && outcome.samples.some((sample) => sample.truncated);
  }

  /**
   * Writes the audit entry of what is going to be read for values that the call found.
   *
   * @param leftOutCount further values, for which nothing is read
   * @param may what a probe of this level may do
   * @throws SondeError AUDIT_UNAVAILABLE; the caller must then read none of it
   */
  async noteFound(reads: string[], leftOutCount: number, may: Capability): Promise<void> {
    const detail = { reads: this.#auditedReads(reads), leftOutCount };
    this.#host.audit.note(this.#record("call.reads", "info", null, detail));
    this.#truncated ||= leftOutCount > 0;
    await this.#flushBefore(may);
  }

  /**
   * Writes the audit entry of the request.
   *
   * @param may what a probe of this level may do
   * @throws SondeError AUDIT_UNAVAILABLE; the caller must then run nothing
   */
  async noteRequest(reads: string[], may: Capability): Promise<void> {
    const run = this.#uncountedRun();
    const detail = {
      params: auditedParams(scrub(this.#call.params, run)),
      reads: this.#auditedReads(reads),
      policyHash: this.#call.policyHash,
    };
    this.#host.audit.note(this.#record("call.request", "info", null, detail));
    this.#requested = true;
    await this.#flushBefore(may);
  }

  /**
   * Records and builds the answer of a successful call.
   *
   * @param data the scrubbed result as JSON in UTF-8; these bytes are hashed here and
   *   sent unchanged
   */
  async answer(data: Uint8Array): Promise<Answer> {
    const resultSha256 = createHash("sha256").update(data).digest("hex");
    const reads = this.#sentReads;
    const detail = {
      ...{ resultSha256, redactions: buildRedactions(this.#scrubRun()).rules },
      ...(reads !== null && { sentReadsBytes: reads.length }),
    };
    const record = this.#record("call.response", "ok", null, detail);
    const head = await this.time("audit", () => this.#host.audit.append(record));
    return { body: this.#body({ status: "ok" }, head, data), reads };
  }

  /** Records and builds the answer for any error. Never throws. */
  async refuse(thrown: unknown): Promise<Answer> {
    return { body: await this.#refusal(thrown), reads: null };
  }

  async #refusal(thrown: unknown): Promise<Uint8Array> {
    const { code, message } = toSondeError(thrown);
    const failure = { code, message: this.#safeMessage(message) };
    const record = this.#requested
      ? this.#record("call.response", "failure", code, { message: failure.message })
      : this.#record("call.denied", "denied", code, {
          message: failure.message,
          policyHash: this.#call.policyHash,
        });
    try {
      const head = await this.time("audit", () => this.#host.audit.append(record));
      return this.#body({ status: "failure", failure }, head);
    } catch (unwritten) {
      // The only answer that leaves without an audit entry: that the audit log cannot be written.
      const why = toSondeError(unwritten);
      const unrecorded = { code: why.code, message: this.#safeMessage(why.message) };
      return this.#body({ status: "failure", failure: unrecorded }, this.#host.audit.head());
    }
  }

  /**
   * What can change the host waits until the entries before it would survive a power cut. A read
   * leaves nothing behind, so its entries become durable together with that of the answer.
   */
  async #flushBefore(may: Capability): Promise<void> {
    if (may !== "observe") await this.time("audit", () => this.#host.audit.flush());
  }

  #auditedReads(reads: string[]): string[] {
    const run = this.#uncountedRun();
    const most = Math.min(MAX_AUDITED_READ, Math.floor(MAX_AUDITED_READS / reads.length));
    return reads.map((what) => {
      const text = String(scrub(what, run));
      return text.length <= most ? text : `${text.slice(0, most)} ... (${text.length} characters)`;
    });
  }

  /** For what is no part of the answer: what is replaced in it is counted nowhere. */
  #uncountedRun(): ScrubRun {
    return { ...this.#scrubRun(), counts: new Map<string, number>() };
  }

  #scrubRun(): ScrubRun {
    return {
      deadline: this.#deadline,
      now: this.#host.clock,
      counts: this.#counts,
      own: this.#own,
    };
  }

  /**
   * Scrubs an error text before it leaves. Has its own deadline; drops the text when that
   * passes.
   */
  #safeMessage(message: string): string {
    return this.#safeText(message, MAX_MESSAGE, this.#counts);
  }

  /** A name in the hub's words, which may be a secret, or obey no rule. It is no part of the answer. */
  #toWords(name: string): string {
    return toPlainLine(this.#safeText(name, MAX_NAME, new Map()));
  }

  #safeText(text: string, most: number, counts: Map<string, number>): string {
    const deadline = this.#host.clock() + SCRUB_MESSAGE_MS;
    try {
      return cutSentence(text, most, { ...this.#scrubRun(), deadline, counts });
    } catch {
      return "The text could not be scrubbed and was dropped.";
    }
  }

  #record(
    event: AuditRecord["event"],
    status: AuditRecord["status"],
    code: ErrorCode | null,
    detail: AuditRecord["detail"],
  ): AuditRecord {
    const { callId, principal, probe, packDigest } = this.#call;
    return {
      at: new Date(this.#host.now()).toISOString(),
      event,
      callId,
      principal,
      agent: this.#host.agentName,
      probe,
      packDigest,
      status,
      code,
      durationMs: status === "info" ? null : round(this.#host.clock() - this.#begun),
      detail: { ...detail, ...this.#askedBy },
    };
  }

  #body(outcome: Outcome, auditHead: LogHead, data: Uint8Array | null = null): Uint8Array {
    const total = this.#host.clock() - this.#begun;
    const { reads, scrub: scrubbing, guest, audit } = this.#spent;
    const result = {
      callId: this.#call.callId,
      ...outcome,
      truncated: this.#truncated,
      redactions: buildRedactions(this.#scrubRun()),
      collectedAt: new Date(this.collectedAt).toISOString(),
      reads: this.#reads,
      timings: {
        checks: round(Math.max(0, total - reads - scrubbing - guest - audit)),
        reads: round(reads),
        scrub: round(scrubbing),
        guest: round(guest),
        audit: round(audit),
        total: round(total),
      },
      auditHead,
    };
    return encodeResult(result, data);
  }
}

function auditedParams(params: unknown): unknown {
  const text = JSON.stringify(params);
  if (text.length <= MAX_AUDITED_PARAMS) return params;
  return { sha256: createHash("sha256").update(text).digest("hex"), bytes: text.length };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
