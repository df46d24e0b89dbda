import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import type { ProcessRights } from "@sonde/schemas/wire";
import { readGroupNames } from "./group-names.ts";
import { hasCapabilities, parseProcessStatus } from "./parse-process-status.ts";

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
  const rights = readOwnRights();
  const reason = refusalReason(rights);
  if (reason !== null) throw new SondeError("PRIVILEGE_REFUSED", reason);
  const gids = [...new Set(rights.groups)].filter((gid) => gid !== rights.gids[0]);
  return { uid: rights.uids[0] ?? -1, groups: readGroupNames(gids).sort() };
}

/** What the kernel says of this process now. */
export function readOwnRights(): ProcessRights {
  return parseProcessStatus(readFileSync("/proc/self/status", "utf8"));
}

/** Why a process with these rights may not start, or null. */
export function refusalReason(rights: ProcessRights): string | null {
  if (rights.uids.length === 0 || rights.uids.includes(0)) return "expected a user other than root";
  const gids = [...rights.gids, ...rights.groups];
  if (rights.gids.length === 0 || gids.includes(0)) return "expected no group of root";
  if (hasCapabilities(rights)) return "expected no capabilities";
  if (!rights.noNewPrivs) return "expected no_new_privs to be set";
  return null;
}
