import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, splitLines, splitWords } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

export const packagesPending = probe({
  description:
    "Updates that wait on a Debian or Ubuntu host, security updates first, by the lists that it fetched last: null when it " +
    "never fetched any. Nothing is fetched or installed. For what changed see system_packages_changed.",
  params: t.object({
    securityOnly: t.optional(t.boolean()),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    listsChangedAt: t.nullable(
      t.string({ description: "ISO 8601, UTC; long ago: newer updates are not known" }),
    ),
    pendingCount: t.nullable(t.integer()),
    securityCount: t.nullable(t.integer()),
    removedCount: t.nullable(t.integer({ description: "that would be removed" })),
    packages: t.array(
      t.object({
        name: t.string(),
        installed: t.nullable(t.string({ description: "null: would be new" })),
        available: t.string(),
        isSecurity: t.boolean(),
        origin: t.string(),
      }),
    ),
    keptBack: t.array(t.string(), { description: "cannot be updated, or come in phases" }),
    incomplete: t.boolean(),
    unreadableCount: t.integer(),
  }),
  reads: { upgrade: sources.upgrade, lists: sources.packageLists },
  run({ params, reads: { upgrade, lists } }) {
    const lines = splitLines(upgrade.stdout);
    if (upgrade.truncated) lines.pop();
    const installs = lines.filter((line) => line.startsWith("Inst "));
    const found = installs.flatMap((line) => parseInstall(line) ?? []);
    const isFetched = lists.found.some(({ path }) => path.includes("_Packages"));
    const times = lists.found.map(({ modifiedAt }) => modifiedAt);
    return {
      listsChangedAt: isFetched ? new Date(Math.max(...times)).toISOString() : null,
      pendingCount: isFetched ? installs.length : null,
      securityCount: isFetched ? found.filter(({ isSecurity }) => isSecurity).length : null,
      removedCount: isFetched ? lines.filter((line) => line.startsWith("Remv ")).length : null,
      packages: found
        .filter(({ isSecurity }) => isSecurity || params.securityOnly !== true)
        .sort((a, b) => Number(b.isSecurity) - Number(a.isSecurity) || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      keptBack: findKeptBack(lines),
      incomplete: upgrade.truncated || lists.truncated,
      unreadableCount: installs.length - found.length,
    };
  },
});

/** As `Inst apt [2.6.1] (2.6.2 Debian-Security:12/oldstable-security [amd64])`. */
function parseInstall(line: string) {
  const [, name, installed, available, origin] =
    /^Inst (\S+)(?: \[(\S+)\])? \((\S+) (.*?)(?: \[[^\]]*\])?\)/.exec(line) ?? [];
  if (name === undefined || available === undefined || origin === undefined) return null;
  const isSecurity = /security/i.test(origin);
  return { name, installed: installed ?? null, available, isSecurity, origin };
}

/** The indented lines after the one that says so. */
function findKeptBack(lines: readonly string[]): string[] {
  const at = lines.findIndex((line) => /^The following .*(kept back|phasing):$/.test(line));
  if (at === -1) return [];
  const end = lines.findIndex((line, index) => index > at && !line.startsWith(" "));
  return lines.slice(at + 1, end === -1 ? undefined : end).flatMap(splitWords);
}
