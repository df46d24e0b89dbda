import type {
  FilledRead,
  Margin,
  ReadTrace,
  RunnerOutcome,
  RunnerSample,
} from "@sonde/schemas/reads";
import { MARKER_IN_TEXT, type ScrubRun, scrubWindow } from "@sonde/scrub";
import { filledWith, renderSearch } from "@sonde/sources";

/** What a runner says of reads: their outcomes by name, and how large they were. */
export type ReadsDone = { reads: Record<string, RunnerOutcome>; traces: ReadTrace[] };
type Part = { text: string; margin: Margin };

/** Lines of one part that are looked at one by one. */
const MOST_LINES = 200;

/**
 * Leaves out the lines, or rows of the journal, of a search whose match the scrubber replaces. An
 * answer that had them, counted them or what was replaced in them, or said that there were too many
 * or how large they were, would tell whether a guess of a secret is right, and a caller could guess on, letter by letter.
 *
 * @param run its counts are told to nobody
 * @throws SondeError SCRUB_FAILED
 */
export function dropHiddenMatches(
  asked: readonly FilledRead[],
  done: ReadsDone,
  run: ScrubRun,
): ReadsDone {
  const reads = { ...done.reads };
  const traces = new Map(done.traces.map((trace) => [trace.name, trace]));
  for (const read of asked) {
    const { name } = read;
    const isSeen = buildSeer(read);
    const outcome = reads[name];
    if (isSeen === undefined || outcome?.ok !== true) continue;
    const samples = outcome.samples.map((sample) => dropFrom(sample, isSeen, run));
    reads[name] = { ...outcome, samples };
    const trace = traces.get(name);
    if (trace !== undefined) traces.set(name, { ...trace, bytes: sizeOf(samples, trace.bytes) });
  }
  return { reads, traces: [...traces.values()] };
}

/**
 * The size of what was found, in bytes. Of the journal a runner knows only the size of all that
 * fitted, also of what is left out; of a file it says how much was searched.
 */
function sizeOf(samples: readonly RunnerSample[], stated: number): number {
  const sizes = samples.flatMap(({ data }) =>
    "rows" in data ? data.rows.map(({ message }) => Buffer.byteLength(message)) : [],
  );
  const isJournal = samples.some(({ data }) => "rows" in data);
  return isJournal ? sizes.reduce((sum, size) => sum + size, 0) : stated;
}

type Seer = (text: string) => boolean;

/** Says whether a scrubbed text shows what a read searched for; undefined for one that did not search. */
function buildSeer({ source, values }: FilledRead): Seer | undefined {
  if (source.kind !== "lines" && source.kind !== "journal") return undefined;
  const { contains, ignoreCase } = renderSearch(source, filledWith(values));
  if (contains === "") return undefined;
  const fold = (text: string) => (ignoreCase === "true" ? text.toLowerCase() : text);
  const needle = fold(contains);
  // A marker may have the word that was searched for, and is not of the file.
  return (text) => fold(text.replaceAll(MARKER_IN_TEXT, "\0")).includes(needle);
}

function dropFrom(sample: RunnerSample, isSeen: Seer, run: ScrubRun): RunnerSample {
  const { data, margins = {} } = sample;
  if ("rows" in data) {
    const rows = data.rows.filter(({ message }) => isSeen(scrubAround(wholeOf(message), run)));
    const truncated = sample.truncated && rows.length > 0 && rows.length === data.rows.length;
    return { ...sample, truncated, data: { ...data, rows } };
  }
  if (!("parts" in data)) return sample;
  const given = data.parts.map(({ text }, index) => ({
    text,
    margin: margins[String(index)] ?? { before: "", after: "" },
  }));
  const kept = given.map((part) => keepSeen(part, isSeen, run));
  const parts = kept.flat();
  const isWhole = kept.every(([first], index) => first === given[index]);
  const isAsFound = isWhole && parts.length > 0;
  const lineCount = parts.reduce((count, { text }) => count + splitLines(text).length, 0);
  return {
    ...sample,
    truncated: sample.truncated && isAsFound,
    data: {
      ...data,
      parts: parts.map(({ text }) => ({ text })),
      // Lines that are counted and not given are as visible as those that are given.
      matchCount: isAsFound ? data.matchCount : lineCount,
    },
    margins: Object.fromEntries(parts.map(({ margin }, index) => [String(index), margin])),
  };
}

/** The part itself when all its lines are seen; else a part for each line that is. */
function keepSeen(part: Part, isSeen: Seer, run: ScrubRun): Part[] {
  const { text, margin } = part;
  const shown = scrubAround(part, run);
  const lines = splitLines(text);
  const shownLines = splitLines(shown);
  if (shownLines.length === lines.length && shownLines.every(isSeen)) return [part];
  let at = 0;
  return lines.slice(0, MOST_LINES).flatMap((line) => {
    const before = margin.before + text.slice(0, at);
    at += line.length;
    const alone = { text: line, margin: { before, after: text.slice(at) + margin.after } };
    return isSeen(scrubAround(alone, run)) ? [alone] : [];
  });
}

function wholeOf(text: string): Part {
  return { text, margin: { before: "", after: "" } };
}

function scrubAround({ text, margin: { before, after } }: Part, run: ScrubRun): string {
  const window = { from: before.length, to: before.length + text.length };
  return scrubWindow(before + text + after, window, run);
}

/** With their line ends. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
