import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { DataLayout } from "../data-layout.ts";
import { findGids } from "../group-file.ts";
import { readOwn } from "../read-back.ts";

/** A runner with exactly these groups. */
export type RunnerGroups = {
  /** `docker`, `adm+docker` for a runner in both groups, or empty for the one without groups. */
  name: string;
  groups: string[];
  gids: number[];
};

/** Where the agent reaches a runner. */
export function runnerSocket(layout: DataLayout, name: string): string {
  return join(layout.runnerSockets, `${roleOf(name)}.sock`);
}

/** The name of a runner's process and log. */
export function roleOf(name: string): string {
  return name === "" ? "runner" : `runner-${name}`;
}

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
  const runners = new Map<string, RunnerGroups>();
  for (const spec of specs) {
    const groups = [...new Set(spec.split("+"))].toSorted();
    const name = groups.join("+");
    runners.set(name, { name, groups, gids: findGids(groups, groupFile) });
  }
  return [...runners.values()];
}

/**
 * The runner without groups and the named ones, or those of the last start when none are
 * named. Stores the result.
 *
 * @param separate whether each service has its own user; only root can give them groups
 */
export function resolveRunnerGroups(
  layout: DataLayout,
  separate: boolean,
  wanted: readonly string[],
): RunnerGroups[] {
  const file = join(layout.config, "runner-groups.json");
  const kept = parseJson(readOwn(file) ?? "[]", file, "CONFIG_INVALID") as string[];
  const specs = wanted.length > 0 ? wanted : kept;
  if (specs.length > 0 && !separate) {
    throw new SondeError(
      "RIGHT_MISSING",
      "only root can give a runner another group; start as root",
    );
  }
  const runners = parseRunnerGroups(specs, readFileSync("/etc/group", "utf8"));
  if (wanted.length > 0) replaceFile(file, JSON.stringify(runners.map(({ name }) => name)));
  return [{ name: "", groups: [], gids: [] }, ...runners];
}
