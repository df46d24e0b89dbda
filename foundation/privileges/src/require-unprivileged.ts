import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { readGroupNames } from "./group-names.ts";
import { type ProcessStatus, parseProcessStatus } from "./parse-process-status.ts";

export type ProcessIds = {
  uid: number;
  /** Names of this process's supplementary groups. */
  groups: string[];
};

/**
 * Refuses to run with any right that could lead to root (layer 1). Asks the kernel for
 * this process's rights, not the configuration.
 *
 * @throws SondeError PRIVILEGE_REFUSED
 */
export function requireUnprivileged(): ProcessIds {
  const status = parseProcessStatus(readFileSync("/proc/self/status", "utf8"));
  const reason = refusalReason(status);
  if (reason !== null) throw new SondeError("PRIVILEGE_REFUSED", reason);
  const gids = [...new Set(status.groups)].filter((gid) => gid !== status.gids[0]);
  return { uid: status.uids[0] ?? -1, groups: readGroupNames(gids).sort() };
}

/** Why a process with this status may not start, or null. */
export function refusalReason(status: ProcessStatus): string | null {
  if (status.uids.length === 0 || status.uids.includes(0)) return "expected a user other than root";
  const gids = [...status.gids, ...status.groups];
  if (status.gids.length === 0 || gids.includes(0)) return "expected no group of root";
  if (status.hasCapabilities) return "expected no capabilities";
  if (!status.noNewPrivs) return "expected no_new_privs to be set";
  return null;
}
