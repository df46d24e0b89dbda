import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "../data-layout.ts";
import { writeAtomically } from "../write-atomically.ts";

/** An extra runner with exactly these groups. */
export type RunnerGroups = {
  /** `docker`, or `adm+docker` for a runner in both groups. */
  name: string;
  gids: number[];
};

/**
 * Parses `--runner-groups docker,adm+docker`: commas separate runners, `+` joins the groups of one
 * runner. Groups are never merged across runners, since an agent gives a pack only a runner with
 * exactly the granted groups.
 *
 * @param specs the parts between the commas
 * @param groupFile text of /etc/group
 * @throws SondeError RIGHT_MISSING when this host has no such group
 */
export function parseRunnerGroups(specs: readonly string[], groupFile: string): RunnerGroups[] {
  const rows = groupFile
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(":"));
  const gidOf = (group: string): number => {
    const row = rows.find(([known]) => known === group);
    if (row !== undefined) return Number(row[2]);
    throw new SondeError(
      "RIGHT_MISSING",
      `there is no group ${JSON.stringify(group)} on this host`,
    );
  };
  const runners = new Map<string, RunnerGroups>();
  for (const spec of specs) {
    const groups = [...new Set(spec.split("+"))].toSorted();
    const name = groups.join("+");
    runners.set(name, { name, gids: groups.map(gidOf) });
  }
  return [...runners.values()];
}

/**
 * The named runners, or those of the last start when none are named. Stores the result.
 *
 * @param separate whether each service has its own user; only root can give them groups
 */
export function resolveRunnerGroups(
  layout: DataLayout,
  separate: boolean,
  wanted: readonly string[],
): RunnerGroups[] {
  const file = join(layout.config, "runner-groups.json");
  const kept = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as string[]) : [];
  const specs = wanted.length > 0 ? wanted : kept;
  if (specs.length > 0 && !separate) {
    throw new SondeError(
      "RIGHT_MISSING",
      "only root can give a runner another group; start as root",
    );
  }
  const runners = parseRunnerGroups(specs, readFileSync("/etc/group", "utf8"));
  if (wanted.length > 0) writeAtomically(file, JSON.stringify(runners.map(({ name }) => name)));
  return runners;
}
