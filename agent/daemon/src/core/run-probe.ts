import { SondeError } from "@sonde/schemas/errors";
import { type Capability, type Digest, type PackName, splitProbeId } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Failure,
  type FilledRead,
  type GuestInput,
  type RunnerOutcome,
} from "@sonde/schemas/reads";
import type { OwnRules } from "@sonde/scrub";
import {
  describeRead,
  effectiveCapability,
  listItems,
  planReads,
  unnamedEndpoints,
} from "@sonde/sources";
import { type ActivePack, type CallableProbe, requireProbe } from "./active-pack.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Answer, Call } from "./call.ts";
import { CallTrail } from "./call-trail.ts";
import { collectReads } from "./collect-reads.ts";
import type { ReadsDone } from "./drop-hidden-matches.ts";
import { describeWithheld } from "./grants.ts";
import { encodeGuestInput } from "./guest-input.ts";

/** Performs reads and runs guests in other processes; see edge/runner-link. */
export type ProbeRunner = {
  read(
    reads: FilledRead[],
    timeoutMs: number,
    groups: string[],
    mayRetry: boolean,
    signal: AbortSignal,
  ): Promise<ReadsDone>;
  run(guest: {
    packDigest: Digest;
    codePath: string;
    codeSha256: Digest;
    /** The probe's name within its pack. */
    probeName: string;
    /**
     * A GuestInput as JSON in UTF-8. The result is the guest's own bytes as JSON in
     * UTF-8, unchecked.
     */
    input: Uint8Array;
    timeoutMs: number;
    memoryMb: number;
  }): Promise<
    { ok: true; result: Uint8Array; ms: number } | { ok: false; failure: Failure; ms: number }
  >;
};

/** What a call needs of this host. */
export type ProbePorts = {
  agentName: string;
  audit: AuditLog;
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
  /** Whether a hub may get what was read, beside the answer. */
  maySendReads: boolean;
  runner: ProbeRunner;
  /** The pack in service under that name, or the error that says why there is none. */
  findPack: (name: PackName) => ActivePack | SondeError;
  /** Unix time in ms. */
  now: () => number;
  /** Monotonic ms, for budgets and durations. */
  clock: () => number;
  /** Resolves as the work does, or rejects with CALL_TIMEOUT after `ms`. */
  within: <T>(ms: number, work: Promise<T>) => Promise<T>;
};

const MAX_RESULT_BYTES = 1024 * 1024;
/**
 * Largest guest result that is parsed, in bytes. Scrubbing cannot make a larger one fit
 * the cap.
 */
const MAX_RAW_RESULT = 8 * 1024 * 1024;
/** A guest only parses what was read. One that runs longer is stuck. */
const MAX_GUEST_MS = 5000;
const GUEST_MEMORY_MB = 64;
/** Time reserved out of a stage's budget for the runner to answer after its own deadline. */
const RUNNER_ANSWER_MS = 250;

/**
 * Decides whether a probe may run, runs it and builds the answer. Never rejects: without
 * a result the answer has a code of the error table. Every answer is audited before it
 * leaves. The caller has checked the envelope (signature, session, sequence, expiry).
 *
 * @param signal ends the call, with its reason as the answer
 */
export async function runProbe(call: Call, host: ProbePorts, signal: AbortSignal): Promise<Answer> {
  const trail = new CallTrail(call, host);
  try {
    const { pack, probe } = checkCall(call, host);
    const plan = planReads(pack.admitted.manifest, probe.name, call.params);
    const may = effectiveCapability(pack.admitted.manifest, probe.name);
    const planned = [...plan.now, ...plan.later].map(describeRead);
    // Nothing is done for a call that has ended meanwhile.
    await untilAborted(signal, trail.noteRequest(planned, may));
    for (const read of [...plan.now, ...plan.later]) requireNamed(read, pack);

    const collecting = collectReads(plan, {
      perform: (reads) => askRunner(reads, pack, may, host, trail, signal),
      requireDone: (name, outcome) => requireDone(name, outcome, pack, probe),
      scrubFound: (outcome) => trail.scrubFound(outcome),
      async noteFound(reads, leftOutCount) {
        // Nothing is done for a call that has ended, and nothing is said of it.
        signal.throwIfAborted();
        await untilAborted(signal, trail.noteFound(reads.map(describeRead), leftOutCount, may));
      },
    });
    const outcomes = await untilAborted(signal, collecting);
    const clean = await trail.time("scrub", () => trail.scrubReads(outcomes));
    const raw = await untilAborted(signal, runGuest(clean, call, pack, probe, host, trail));
    const data = await trail.time("scrub", () => finishResult(raw, probe, trail));
    return await trail.answer(data);
  } catch (thrown) {
    return trail.refuse(thrown);
  }
}

/** Resolves as the work does, or throws the signal's reason, which is a SondeError, when that is first. */
async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(signal.reason as SondeError);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/**
 * Decides whether the probe may run, before anything is read. In order: the audit log can
 * be written, the pack is active, its digest is the one asked for, the probe exists on
 * this host, the parameters fit. Grants and the ceiling are part of "exists":
 * `buildActivePack` leaves out every other probe.
 */
function checkCall(call: Call, host: ProbePorts): { pack: ActivePack; probe: CallableProbe } {
  const broken = host.audit.unavailable();
  if (broken !== null) throw broken;
  const { pack: packName, probe: probeName } = splitProbeId(call.probe);
  const pack = host.findPack(packName);
  if (pack instanceof SondeError) throw pack;
  const { digest } = pack.admitted;
  if (call.packDigest !== digest) {
    throw new SondeError(
      "PACK_DIGEST_MISMATCH",
      `expected a call for ${digest}, got one for ${call.packDigest ?? "no archive"}`,
    );
  }
  const probe = requireProbe(pack, probeName);
  const misfit = probe.checkParams(call.params);
  if (misfit !== null) throw new SondeError("PARAMS_INVALID", misfit);
  return { pack, probe };
}

/** A caller may choose among the endpoints that somebody named on this host, and no other. */
function requireNamed(read: FilledRead, { grant, program, admitted }: ActivePack): void {
  const [endpoint] = unnamedEndpoints(read, grant.endpoints);
  if (endpoint === undefined) return;
  const named = grant.endpoints?.join(", ").slice(0, 1000) ?? "none so far";
  throw new SondeError(
    "READ_NOT_GRANTED",
    `${read.name}: expected an endpoint that was named on this host (${named}), got ${endpoint}; run: ${program} approve ${admitted.name} --endpoint HOST:PORT`,
  );
}

/** Has the runner perform reads, and returns their outcomes by name. */
async function askRunner(
  reads: FilledRead[],
  { groups }: ActivePack,
  may: Capability,
  host: ProbePorts,
  trail: CallTrail,
  signal: AbortSignal,
): Promise<Map<string, RunnerOutcome>> {
  if (reads.length === 0) return new Map();
  const mayRetry = may === "observe";
  const reply = await trail.time("reads", () =>
    host.within(
      trail.timeLeft(),
      host.runner.read(reads, workTime(trail), groups, mayRetry, signal),
    ),
  );
  trail.timeLeft();
  // Before anything of the outcomes is noted, since the notes are told too.
  const seen = await trail.time("scrub", () => trail.dropHiddenMatches(reads, reply));
  const outcomes = new Map(Object.entries(seen.reads));
  const traces = new Map(seen.traces.map((trace) => [trace.name, trace]));
  for (const read of reads) {
    const outcome = outcomes.get(read.name);
    if (outcome === undefined) {
      throw new SondeError("RUNNER_UNAVAILABLE", `expected an outcome of read ${read.name}`);
    }
    // The agent describes the read itself. A hostile runner could lie about it, so only
    // size and duration come from the runner.
    const { bytes = 0, ms = 0 } = traces.get(read.name) ?? {};
    const [name = ""] = read.name.split(".");
    trail.addRead({ name, what: describeRead(read), bytes, ms }, outcome);
  }
  return outcomes;
}

/** A failed read ends the call unless it is optional. */
function requireDone(
  name: string,
  outcome: RunnerOutcome,
  pack: ActivePack,
  probe: CallableProbe,
): void {
  if (outcome.ok || probe.manifest.reads[name]?.optional === true) return;
  const { code, message } = outcome.failure;
  throw new SondeError(code, `${name}: ${message}${describeLackedGroups(code, pack)}`);
}

/** A read that the kernel refuses may need a group that was withheld. */
function describeLackedGroups(code: Failure["code"], pack: ActivePack): string {
  if (code !== "PERMISSION_NEEDED" || pack.withheldGroups.length === 0) return "";
  const items = listItems({ groups: pack.withheldGroups });
  return `; ${describeWithheld(pack.program, pack.admitted.name, items)}`;
}

async function runGuest(
  reads: GuestInput["reads"],
  call: Call,
  pack: ActivePack,
  probe: CallableProbe,
  host: ProbePorts,
  trail: CallTrail,
): Promise<Uint8Array> {
  const input = encodeGuestInput({ params: call.params, reads, now: trail.collectedAt });
  trail.noteGuestReads(input);
  const reply = await trail.time("guest", () =>
    host.within(
      trail.timeLeft(),
      host.runner.run({
        packDigest: pack.admitted.digest,
        codePath: pack.codePath,
        codeSha256: pack.admitted.codeSha256,
        probeName: probe.name,
        input: input.bytes,
        timeoutMs: Math.min(workTime(trail), MAX_GUEST_MS),
        memoryMb: GUEST_MEMORY_MB,
      }),
    ),
  );
  if (!reply.ok) throw new SondeError(reply.failure.code, reply.failure.message);
  return reply.result;
}

/**
 * The time that a runner gets: less than what is left, so that the runner can still
 * report a timeout.
 */
function workTime(trail: CallTrail): number {
  const left = trail.timeLeft();
  return Math.max(1, Math.floor(left - Math.min(RUNNER_ANSWER_MS, left / 4)));
}

/**
 * Scrubs the result, then checks its size and its schema. The bytes returned are hashed
 * and sent. The guest's own bytes are not used: JSON may repeat a member name.
 */
function finishResult(raw: Uint8Array, probe: CallableProbe, trail: CallTrail): Uint8Array {
  requireSize(raw.length, MAX_RAW_RESULT);
  const data = trail.scrub(parseJson(raw, "the guest's result", "RESULT_INVALID"));
  const bytes = Buffer.from(JSON.stringify(data), "utf8");
  requireSize(bytes.length, MAX_RESULT_BYTES);
  const misfit = probe.checkResult(data);
  if (misfit !== null) throw new SondeError("RESULT_INVALID", misfit);
  return bytes;
}

function requireSize(bytes: number, most: number): void {
  if (bytes > most) {
    throw new SondeError("RESULT_TOO_LARGE", `expected at most ${most} bytes, got ${bytes}`);
  }
}
