import { SondeError } from "@sonde/schemas/errors";
import { type Digest, type PackName, splitProbeId } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Failure,
  type FilledRead,
  type GuestInput,
  type ReadOutcome,
  type ReadTrace,
} from "@sonde/schemas/reads";
import { encodeBody } from "@sonde/schemas/wire";
import { type ActivePack, type LoadedProbe, requireProbe } from "./active-pack.ts";
import type { AuditLog } from "./audit-log.ts";
import { CallTrail } from "./call-trail.ts";
import { describeRead } from "@sonde/sources";
import { fillReads } from "./fill-reads.ts";

/** A call as it came in a checked envelope. */
export type Call = {
  callId: string;
  principal: string | null;
  probe: string;
  packDigest: Digest | null;
  policyHash: Digest | null;
  params: Record<string, unknown>;
  timeoutMs: number;
};

/** Performs reads and runs guests in other processes; see edge/runner-link. */
export type ProbeRunner = {
  read(
    reads: FilledRead[],
    timeoutMs: number,
    groups: string[],
  ): Promise<{ reads: Record<string, ReadOutcome>; traces: ReadTrace[] }>;
  run(guest: {
    packDigest: Digest;
    codePath: string;
    codeSha256: Digest;
    /** Within its pack. */
    probeName: string;
    /** A GuestInput, and below what the guest gave back: JSON in UTF-8, unchecked. */
    input: Uint8Array;
    timeoutMs: number;
    memoryMb: number;
  }): Promise<
    { ok: true; result: Uint8Array; ms: number } | { ok: false; failure: Failure; ms: number }
  >;
};

/** What a call needs of this host. */
export type ProbeHost = {
  agentName: string;
  audit: AuditLog;
  runner: ProbeRunner;
  /** The pack in service under that name, or why there is none. */
  findPack: (name: PackName) => ActivePack | SondeError;
  /** Unix time in ms. */
  now: () => number;
  /** Monotonic ms, for budgets and durations. */
  clock: () => number;
  /** Gives the work's outcome, or CALL_TIMEOUT after so many ms. */
  within: <T>(ms: number, work: Promise<T>) => Promise<T>;
};

const MAX_RESULT_BYTES = 1024 * 1024;
/** Bytes of a guest's answer that are looked at; more can only be too large. */
const MAX_RAW_RESULT = 8 * 1024 * 1024;
/** A guest only parses what was read; a longer one is stuck. */
const MAX_GUEST_MS = 5000;
const GUEST_MEMORY_MB = 64;
/** For the runner's own answer, of the time a stage has. */
const RUNNER_ANSWER_MS = 250;

/**
 * Decides whether a probe may run, runs it, and answers: always, and always
 * with a code of the table when there is no result. The caller has checked the
 * envelope (signature, session, sequence, expiry). Every way out is audited
 * before its answer leaves.
 *
 * @returns the body of the result message
 */
export async function runProbe(call: Call, host: ProbeHost): Promise<Uint8Array> {
  const trail = new CallTrail(call, host);
  try {
    const { pack, probe } = checkCall(call, host);
    const reads = fillReads(pack.admitted.manifest, probe.name, call.params);
    trail.noteRequest(reads.map(describeRead));

    const outcomes = await askRunner(reads, pack, probe, host, trail);
    const clean = await trail.time("scrub", () => trail.scrub(outcomes));
    const raw = await runGuest(clean as GuestInput["reads"], call, pack, probe, host, trail);
    const data = await trail.time("scrub", () => finishResult(raw, probe, trail));
    return await trail.answer(data);
  } catch (thrown) {
    return trail.refuse(thrown);
  }
}

/**
 * Decides whether the probe may run, before anything is read: the audit log can be written, the pack
 * is active and is the archive that was asked for, the probe exists on this host, the parameters fit.
 * Grants and the ceiling are part of "exists": `buildActivePack` leaves out every probe beyond them.
 */
function checkCall(call: Call, host: ProbeHost): { pack: ActivePack; probe: LoadedProbe } {
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

/** The declared reads, by name; one that failed and is not optional ends the call. */
async function askRunner(
  reads: FilledRead[],
  pack: ActivePack,
  probe: LoadedProbe,
  host: ProbeHost,
  trail: CallTrail,
): Promise<Record<string, ReadOutcome>> {
  if (reads.length === 0) return {};
  const groups = pack.admitted.manifest.requires.groups;
  const reply = await trail.time("reads", () =>
    host.within(trail.timeLeft(), host.runner.read(reads, workTime(trail), groups)),
  );
  trail.timeLeft();
  const outcomes = new Map(Object.entries(reply.reads));
  const traces = new Map(reply.traces.map((trace) => [trace.name, trace]));
  const named = reads.map((read) => {
    const outcome = outcomes.get(read.name);
    if (outcome === undefined) {
      throw new SondeError("RUNNER_UNAVAILABLE", `expected an outcome of read ${read.name}`);
    }
    // The runner is not trusted to say what it did, only how much and how long.
    const { bytes = 0, ms = 0 } = traces.get(read.name) ?? {};
    trail.addRead({ name: read.name, what: describeRead(read), bytes, ms }, outcome);
    return [read.name, outcome] as const;
  });
  for (const [name, outcome] of named) {
    const optional = probe.manifest.reads[name]?.optional === true;
    if (!outcome.ok && !optional) {
      throw new SondeError(outcome.failure.code, `${name}: ${outcome.failure.message}`);
    }
  }
  return Object.fromEntries(named);
}

async function runGuest(
  reads: GuestInput["reads"],
  call: Call,
  pack: ActivePack,
  probe: LoadedProbe,
  host: ProbeHost,
  trail: CallTrail,
): Promise<Uint8Array> {
  const input: GuestInput = { params: call.params, reads, now: trail.collectedAt };
  const reply = await trail.time("guest", () =>
    host.within(
      trail.timeLeft(),
      host.runner.run({
        packDigest: pack.admitted.digest,
        codePath: pack.codePath,
        codeSha256: pack.admitted.codeSha256,
        probeName: probe.name,
        input: encodeBody(input),
        timeoutMs: Math.min(workTime(trail), MAX_GUEST_MS),
        memoryMb: GUEST_MEMORY_MB,
      }),
    ),
  );
  if (!reply.ok) throw new SondeError(reply.failure.code, reply.failure.message);
  return reply.result;
}

/** Less than is left, so that a runner can still say what took too long. */
function workTime(trail: CallTrail): number {
  const left = trail.timeLeft();
  return Math.max(1, Math.floor(left - Math.min(RUNNER_ANSWER_MS, left / 4)));
}

/**
 * Scrub, cap, validate: what is left is what the manifest promises, and small. These are the
 * bytes that are hashed and sent: the guest's own could say a member twice.
 */
function finishResult(raw: Uint8Array, probe: LoadedProbe, trail: CallTrail): Uint8Array {
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
