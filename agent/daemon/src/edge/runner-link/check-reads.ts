import { SondeError } from "@sonde/schemas/errors";
import {
  type FilledRead,
  READ_DATA,
  type RunnerOutcome,
  type ReadTrace,
} from "@sonde/schemas/reads";
import type { RunnerReply } from "./parse-runner-reply.ts";

export type ReadsDone = { reads: Record<string, RunnerOutcome>; traces: ReadTrace[] };

/**
 * Checks that a runner's reply answers exactly what was asked: one outcome of the right
 * kind and one trace for each read. A runner cannot add a read, omit one or change its
 * kind.
 *
 * @throws SondeError RUNNER_UNAVAILABLE
 */
export function checkReads(asked: FilledRead[], reply: RunnerReply): ReadsDone {
  if (reply.op !== "read") throw misfit("another kind of reply");
  const names = new Set(asked.map((read) => read.name));
  const given = new Map(Object.entries(reply.reads));
  if (given.size !== names.size) throw misfit("other reads than those asked for");
  const reads = asked.map(({ name, source }): [string, RunnerOutcome] => {
    const outcome = given.get(name);
    if (outcome === undefined) throw misfit(`no outcome for ${name}`);
    const members = READ_DATA[source.kind].required;
    if (
      outcome.ok &&
      !outcome.samples.every(({ data }) => members.every((member) => Object.hasOwn(data, member)))
    ) {
      throw misfit(`${name} with data of another kind`);
    }
    return [name, outcome];
  });
  const traces = reply.traces.filter((trace) => names.has(trace.name));
  return { reads: Object.fromEntries(reads), traces: traces.slice(0, names.size) };
}

function misfit(what: string): SondeError {
  return new SondeError("RUNNER_UNAVAILABLE", `the runner answered with ${what}`);
}
