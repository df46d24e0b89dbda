import { existsSync } from "node:fs";
import type { PackExplanation } from "@sonde/schemas/agent";
import { socketsOf } from "../start/summarize-pack.ts";

/**
 * @returns what this host lacks for the pack to answer anything, in words: its engine when there is
 *   none of its sockets, or a runner in its groups. Null when there is nothing to wait for.
 */
export function findAbsentPart(shown: PackExplanation): string | null {
  const sockets = socketsOf(shown);
  const [first] = sockets;
  if (first !== undefined && !sockets.some((path) => existsSync(path))) return first;
  const [command] = shown.before;
  if (command === undefined) return null;
  return `runner in the groups that it needs (${shown.requires.groups.join(", ")}): ${command}`;
}
