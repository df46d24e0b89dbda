import { SondeError } from "@sonde/schemas/errors";
import type {
  EachOutcome,
  GuestInput,
  Margin,
  ReadOutcome,
  RunnerOutcome,
  RunnerSample,
  Sample,
} from "@sonde/schemas/reads";
import { type ScrubRun, scrub, scrubWindow } from "@sonde/scrub";

/** What was read by the name of the read. The values of a read with `forEach` were read too. */
export type Collected = Record<string, RunnerOutcome | EachOutcome<RunnerOutcome>>;

/**
 * Scrubs what a runner read. A text that was cut is scrubbed together with what stands
 * around it, and cut afterwards: a window may begin between a secret's name and its value,
 * or inside a private key.
 *
 * @throws SondeError SCRUB_FAILED; RUNNER_UNAVAILABLE for a margin without a text
 */
export function scrubReads(outcomes: Collected, run: ScrubRun): GuestInput["reads"] {
  const cut = Object.entries(outcomes).map(([name, outcome]) => [
    name,
    "each" in outcome
      ? {
          ...outcome,
          each: outcome.each.map((one) => ({ ...one, outcome: scrubOutcome(one.outcome, run) })),
        }
      : scrubOutcome(outcome, run),
  ]);
  return scrub(Object.fromEntries(cut), run) as GuestInput["reads"];
}

/**
 * Scrubs what values are looked for in, and leaves the outcome itself as it was read. The name beside a
 * value says that it is a secret, and a value alone does not.
 *
 * @throws SondeError as `scrubReads` does
 */
export function scrubFound(outcome: RunnerOutcome, run: ScrubRun): ReadOutcome {
  return scrub(scrubOutcome(structuredClone(outcome), run), run) as ReadOutcome;
}

function scrubOutcome(outcome: RunnerOutcome, run: ScrubRun): object {
  if (!outcome.ok) return outcome;
  return { ...outcome, samples: outcome.samples.map((sample) => scrubCuts(sample, run)) };
}

function scrubCuts({ margins = {}, ...sample }: RunnerSample, run: ScrubRun): Sample {
  for (const [member, margin] of Object.entries(margins)) {
    const holder = holderOf(sample, member);
    const text = new Map<string, unknown>(Object.entries(holder.part)).get(holder.member);
    if (typeof text !== "string") {
      throw new SondeError("RUNNER_UNAVAILABLE", `expected a text at ${member} of what was read`);
    }
    Object.assign(holder.part, { [holder.member]: scrubAround(text, margin, run) });
  }
  return sample;
}

/** The object that holds a cut text: the data itself, an entry of a directory, or some lines. */
function holderOf({ data }: Sample, member: string): { part: object; member: string } {
  const list = "entries" in data ? data.entries : "parts" in data ? data.parts : null;
  return list === null
    ? { part: data, member }
    : { part: list[Number(member)] ?? {}, member: "text" };
}

function scrubAround(text: string, { before, after }: Margin, run: ScrubRun): string {
  const window = { from: before.length, to: before.length + text.length };
  return scrubWindow(before + text + after, window, run);
}
