import { SondeError } from "@sonde/schemas/errors";
import type { EachOutcome, FilledRead, ReadOutcome, RunnerOutcome } from "@sonde/schemas/reads";
import { type FilledEach, type LaterRead, fillEach } from "@sonde/sources";
import type { Collected } from "./scrub-reads.ts";

export type Collecting = {
  /** Performs reads and returns an outcome for each, by name. */
  perform: (reads: FilledRead[]) => Promise<Map<string, RunnerOutcome>>;
  /** Replaces the secrets in what values are looked for in. */
  scrubFound: (outcome: RunnerOutcome) => ReadOutcome;
  /** @throws SondeError when the call cannot go on without that read */
  requireDone: (name: string, outcome: RunnerOutcome) => void;
  /**
   * Called, and awaited, before anything is read for values that were found.
   *
   * @param leftOutCount further values, for which nothing is read
   * @throws SondeError when none of it may be read
   */
  noteFound: (reads: FilledRead[], leftOutCount: number) => Promise<void>;
};

/**
 * Performs the reads of a call, then those for the values that were found. One of many reads for
 * several values may fail without the others.
 */
export async function collectReads(
  { now, later }: { now: FilledRead[]; later: LaterRead[] },
  { perform, scrubFound, requireDone, noteFound }: Collecting,
): Promise<Collected> {
  const found = await perform(now);
  for (const [name, outcome] of found) requireDone(name, outcome);
  const collected: Collected = Object.fromEntries(found);
  if (later.length === 0) return collected;

  const filled = later.map((read) => ({
    name: read.name,
    to: fillEach(read, scrubFound(valuesOf(read, found))),
  }));
  const reads = filled.flatMap(({ to }) => (to.ok ? to.reads.map(({ read }) => read) : []));
  const leftOut = filled.reduce((sum, { to }) => sum + (to.ok ? to.leftOutCount : 0), 0);
  await noteFound(reads, leftOut);
  const done = await perform(reads);
  for (const { name, to } of filled) {
    if (!to.ok) requireDone(name, to);
    collected[name] = to.ok ? joinEach(to, done) : to;
  }
  return collected;
}

function valuesOf({ name, forEach }: LaterRead, found: Map<string, RunnerOutcome>): RunnerOutcome {
  const values = found.get(forEach.read);
  if (values !== undefined) return values;
  throw new SondeError("MANIFEST_INVALID", `${name}: expected a read ${forEach.read}, got none`);
}

function joinEach(
  { reads, leftOutCount, unfitCount }: Extract<FilledEach, { ok: true }>,
  done: Map<string, RunnerOutcome>,
): EachOutcome<RunnerOutcome> {
  const each = reads.flatMap(({ value, read }) => {
    const outcome = done.get(read.name);
    return outcome === undefined ? [] : [{ value, outcome }];
  });
  return { ok: true, each, leftOutCount, unfitCount };
}
