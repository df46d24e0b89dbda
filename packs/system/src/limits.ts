import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, splitWords } from "@sonde/pack-sdk/parse";
import { percent } from "./parse-proc.ts";
import * as sources from "./sources.ts";

type Look = { ok: false } | { ok: true; text: string };

export const limits = probe({
  description:
    "Limits of the whole host against what is in use, fullest first: open files, tasks, process ids, tracked " +
    "connections. When one is full, programs fail with too many open files, cannot fork, or lose packets. " +
    "used is null where the kernel does not count it; a limit that this kernel lacks is missing.",
  result: t.object({
    limits: t.array(
      t.object({
        name: t.string(),
        used: t.nullable(t.integer()),
        limit: t.integer(),
        usedPercent: t.nullable(t.number()),
      }),
    ),
  }),
  reads: {
    load: sources.loadavg,
    openFiles: read(sources.openFiles, { optional: true }),
    openFilesEach: read(sources.openFilesEach, { optional: true }),
    maxPid: read(sources.maxPid, { optional: true }),
    maxThreads: read(sources.maxThreads, { optional: true }),
    tracked: read(sources.tracked, { optional: true }),
    maxTracked: read(sources.maxTracked, { optional: true }),
    maxWatches: read(sources.maxWatches, { optional: true }),
    maxInotify: read(sources.maxInotify, { optional: true }),
  },
  run({ reads }) {
    const tasks = Number(splitWords(reads.load.text)[3]?.split("/")[1]);
    const found = [
      describe("open files", wordOf(reads.openFiles, 0), wordOf(reads.openFiles, 2)),
      describe("open files of one process", null, wordOf(reads.openFilesEach, 0)),
      describe("tasks", tasks, wordOf(reads.maxThreads, 0)),
      describe("process ids", tasks, wordOf(reads.maxPid, 0)),
      describe("tracked connections", wordOf(reads.tracked, 0), wordOf(reads.maxTracked, 0)),
      describe("inotify watches of one user", null, wordOf(reads.maxWatches, 0)),
      describe("inotify instances of one user", null, wordOf(reads.maxInotify, 0)),
    ].flatMap((limit) => limit ?? []);
    return {
      limits: found.sort(
        (a, b) => (b.usedPercent ?? -1) - (a.usedPercent ?? -1) || compareText(a.name, b.name),
      ),
    };
  },
});

function wordOf(look: Look, index: number): number | null {
  const number = look.ok ? Number(splitWords(look.text)[index] ?? Number.NaN) : Number.NaN;
  // The kernel's "no limit" is above what JavaScript counts exactly.
  return Number.isNaN(number) ? null : Math.min(number, Number.MAX_SAFE_INTEGER);
}

function describe(name: string, used: number | null, limit: number | null) {
  if (limit === null) return null;
  const known = used === null || Number.isNaN(used) ? null : used;
  return { name, used: known, limit, usedPercent: known === null ? null : percent(known, limit) };
}
