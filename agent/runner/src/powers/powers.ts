import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import { type SourceKind } from "@sonde/schemas/manifest";
import { type FilledRead, type ReadOutcome, type ReadTrace } from "@sonde/schemas/reads";
import { describeRead } from "@sonde/sources";
import { cutMessage } from "./cut-text.ts";
import { readCertificates } from "./certificates.ts";
import { askNameServers } from "./dns.ts";
import { readDirectory } from "./directory.ts";
import { execCommand } from "./exec.ts";
import { readFile } from "./file.ts";
import { readFilesystems } from "./filesystem.ts";
import { httpGet } from "./http.ts";
import { readJournal } from "./journal.ts";
import { readLines } from "./lines.ts";
import type { Look, Power, Reach } from "./power.ts";
import { readFailure } from "./read-failure.ts";
import { readRedis } from "./redis.ts";
import { readSql } from "./sql.ts";
import { readTls } from "./tls.ts";
import { readTree } from "./tree.ts";

/** Every power a pack can ever have. */
const POWERS: { [K in SourceKind]: Power<K> } = {
  file: readFile,
  lines: readLines,
  directory: readDirectory,
  tree: readTree,
  filesystem: readFilesystems,
  exec: execCommand,
  http: httpGet,
  journal: readJournal,
  dns: askNameServers,
  tls: readTls,
  sql: readSql,
  redis: readRedis,
  certificates: readCertificates,
};

export type ReadLimits = {
  /** Aborted when the caller wants no answer any more. Every read then ends at once. */
  signal?: AbortSignal;
  /** Absolute paths that no pack may read, with everything beneath them. */
  denyPaths: string[];
  /** How far connections and questions may go; `anywhere` when left out. */
  reach?: Reach;
  /**
   * Called for a read that overran its deadline. `settled` resolves when the read ends,
   * if it ever does. Until then the read holds a thread of this process.
   */
  onOverdue(settled: Promise<void>, what: string): void;
};

/**
 * Largest JSON of all outcomes of one request, in bytes. The outcomes then always fit a
 * frame, and a pack with many reads cannot exhaust the runner's memory.
 */
const MAX_REQUEST_BYTES = 24 * 1024 * 1024;

type Budget = { end: number; bytesLeft: number };

/** Most reads of one request at a time: some start a process. */
const MAX_AT_ONCE = 20;

/**
 * Performs reads, many of them at once, each with its own deadline and all within `timeoutMs`. A
 * read whose data no longer fits the reply gets READ_FAILED. Never throws: every read has
 * an outcome, in the order asked.
 *
 * @returns the outcomes by name as JSON; each is serialised once, when its size is
 *   measured
 */
export async function performReads(
  reads: FilledRead[],
  timeoutMs: number,
  limits: ReadLimits,
): Promise<{ outcomes: Buffer; traces: ReadTrace[] }> {
  const budget = { end: performance.now() + timeoutMs, bytesLeft: MAX_REQUEST_BYTES };
  const done = await performAll(reads, budget, limits);
  const members = done.map(({ trace, outcome }) => `${JSON.stringify(trace.name)}:${outcome}`);
  return {
    outcomes: Buffer.from(`{${members.join(",")}}`, "utf8"),
    traces: done.map(({ trace }) => trace),
  };
}

type Done = { trace: ReadTrace; outcome: string };

async function performAll(
  reads: FilledRead[],
  budget: Budget,
  limits: ReadLimits,
): Promise<Done[]> {
  const done: Done[] = [];
  const waiting = reads.entries();
  const work = async (): Promise<void> => {
    for (const [index, read] of waiting) done[index] = await performRead(read, budget, limits);
  };
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, work));
  return done;
}

async function performRead(read: FilledRead, budget: Budget, limits: ReadLimits): Promise<Done> {
  const started = performance.now();
  const trace: ReadTrace = { name: read.name, what: "", bytes: 0, ms: 0 };
  let outcome: string;
  try {
    trace.what = describeRead(read);
    const samples: string[] = [];
    for await (const { sample, bytes } of takeSamples(read, budget, limits)) {
      samples.push(sample);
      trace.bytes += bytes;
    }
    outcome = `{"ok":true,"samples":[${samples.join(",")}]}`;
  } catch (error) {
    const { code, message } = readFailure(error, read.name);
    const failed: ReadOutcome = {
      ok: false,
      failure: { code, message: cutMessage(message, 2000) },
    };
    outcome = JSON.stringify(failed);
  }
  trace.ms = performance.now() - started;
  return { trace, outcome };
}

async function* takeSamples(read: FilledRead, budget: Budget, limits: ReadLimits) {
  const { count, intervalMs } = read.source.samples ?? { count: 1, intervalMs: 0 };
  const started = performance.now();
  const startedAt = Date.now();
  for (let index = 0; index < count; index++) {
    const wait = started + index * intervalMs - performance.now();
    if (wait > 0) {
      if (performance.now() + wait >= budget.end) throw timeout(read);
      await sleep(wait, undefined, limits.signal && { signal: limits.signal });
    }
    // The wall clock may be set between two samples, and rates are taken over their distance.
    const at = startedAt + Math.round(performance.now() - started);
    const look = await lookBefore(
      read,
      Math.min(read.source.timeoutMs, budget.end - performance.now()),
      limits,
    );
    const data = JSON.stringify(look.data);
    budget.bytesLeft -= Buffer.byteLength(data);
    const margins = JSON.stringify(look.margins);
    budget.bytesLeft -= Buffer.byteLength(margins);
    if (budget.bytesLeft < 0) throw tooMuch(read);
    const sample = `{"at":${at},"truncated":${look.truncated},"data":${data},"margins":${margins}}`;
    yield { sample, bytes: look.bytes };
  }
}

/** Performs one read and settles at its deadline, whether or not the power does. */
function lookBefore(
  read: FilledRead,
  timeoutMs: number,
  limits: ReadLimits,
): Promise<Look<SourceKind>> {
  if (timeoutMs <= 0) return Promise.reject(timeout(read));
  if (limits.signal?.aborted === true) return Promise.reject(cancelled(read));
  const deadline = new AbortController();
  const endsAt = performance.now() + timeoutMs;
  const { denyPaths, reach = "anywhere" } = limits;
  const context = { denyPaths, reach, signal: deadline.signal, endsAt };
  // The type of POWERS guarantees that a power's source has the power's kind.
  const power = POWERS[read.source.kind] as Power<SourceKind>;
  return new Promise((resolve, reject) => {
    const looking = power(read.source, read.values, context);
    const end = (why: SondeError): void => {
      deadline.abort();
      const settled = looking.then(
        () => undefined,
        () => undefined,
      );
      limits.onOverdue(settled, describeRead(read));
      reject(why);
    };
    const timer = setTimeout(() => end(timeout(read)), timeoutMs);
    const onCancel = (): void => end(cancelled(read));
    limits.signal?.addEventListener("abort", onCancel, { once: true });
    looking.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      limits.signal?.removeEventListener("abort", onCancel);
    });
  });
}

function tooMuch(read: FilledRead): SondeError {
  return new SondeError(
    "READ_FAILED",
    `${describeRead(read)}: the reads of one call gave more than ${MAX_REQUEST_BYTES} bytes`,
  );
}

function cancelled(read: FilledRead): SondeError {
  return new SondeError("CALL_CANCELLED", `${describeRead(read)}: was ended`.slice(0, 2000));
}

function timeout(read: FilledRead): SondeError {
  return new SondeError(
    "READ_TIMEOUT",
    `${describeRead(read)}: took longer than it may`.slice(0, 2000),
  );
}
