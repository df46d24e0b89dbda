import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { describeRunnerGroups, RUNNER_NETWORK_DROP_IN } from "@sonde/schemas/agent";
import { findGids } from "../group-file.ts";
import type { RunnerNeed } from "./grant-files.ts";
import { hasSystemd } from "./has-systemd.ts";

/** Where the administrator's own units are (systemd.unit(5)). */
const UNITS = "/etc/systemd/system";
const DROP_IN = /^sonde-runner@(.+)\.service\.d$/;

/** The runner that every agent has. It is the package's, and never taken back. */
const NO_GROUPS = "no-groups";

/** Gives packs the runners that they need, and takes back those that no pack needs any more. */
export type RunnerUnits = {
  /**
   * Makes a runner that is in exactly these groups, and reaches other hosts or does not. Only packs
   * that were granted exactly these get it.
   *
   * @throws SondeError RIGHT_MISSING when this host has no such group
   */
  give(need: RunnerNeed): void;
  /** Ends every runner but those that the granted packs need, and the one of every agent. */
  keepOnly(needed: readonly RunnerNeed[]): void;
};

/**
 * Runners as instances of the package's `sonde-runner@.socket`, each named after its groups:
 * `sonde-runner@docker`, `sonde-runner@adm:docker`, and `sonde-runner@no-groups.network` for one that
 * reaches other hosts. Drop-ins of root give the instance its groups and its reach. Without systemd,
 * `sonde-agent run` makes and ends runners as the grants ask for.
 */
export const systemdRunnerUnits: RunnerUnits = {
  give(need) {
    findGids(need.groups, readFileSync("/etc/group", "utf8"));
    if (!hasSystemd()) return;
    const name = instanceOf(need.groups, need.reachesHosts);
    const folder = join(UNITS, `sonde-runner@${name}.service.d`);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (need.groups.length > 0) {
      replaceFile(join(folder, "groups.conf"), describeRunnerGroups(need.groups));
    }
    if (need.reachesHosts) replaceFile(join(folder, "network.conf"), RUNNER_NETWORK_DROP_IN);
    systemctl("daemon-reload");
    systemctl("enable", "--quiet", "--now", `sonde-runner@${name}.socket`);
  },
  keepOnly(needed) {
    if (!hasSystemd()) return;
    const names = needed.map(({ groups, reachesHosts }) => instanceOf(groups, reachesHosts));
    const kept = new Set([NO_GROUPS, ...names]);
    for (const name of listInstances()) {
      if (kept.has(name)) continue;
      systemctl("disable", "--quiet", "--now", `sonde-runner@${name}.socket`);
      systemctl("stop", `sonde-runner@${name}.service`);
      rmSync(join(UNITS, `sonde-runner@${name}.service.d`), { recursive: true });
      systemctl("daemon-reload");
    }
  },
};

/** The name of the runner with these groups. No group's name has a colon or a dot (groupadd(8)). */
export function instanceOf(groups: readonly string[], reachesHosts = false): string {
  const name = groups.length === 0 ? NO_GROUPS : groups.toSorted().join(":");
  return reachesHosts ? `${name}.network` : name;
}

function listInstances(): string[] {
  return readdirSync(UNITS).flatMap((folder) => DROP_IN.exec(folder)?.[1] ?? []);
}

function systemctl(...words: string[]): void {
  execFileSync("systemctl", words, { stdio: ["ignore", "ignore", "pipe"] });
}
