import { existsSync } from "node:fs";
import type { PackExplanation } from "@sonde/schemas/agent";
import { REACHED_BY, findListeners } from "../find-listeners.ts";
import { socketsOf } from "../start/summarize-pack.ts";

/**
 * @returns what this host lacks for the pack to answer anything, in words: its engine when there is
 *   none of its sockets and nobody listens at its ports, or a runner in its groups. Null when there is
 *   nothing to wait for.
 */
export function findAbsentPart(shown: PackExplanation): string | null {
  const sockets = socketsOf(shown);
  const [first] = sockets;
  if (first !== undefined && !sockets.some(isThere)) {
    return first.startsWith("/") ? first : `server at ${first}`;
  }
  const [command] = shown.before;
  if (command === undefined) return null;
  return `runner in the groups that it needs (${shown.requires.groups.join(", ")}): ${command}`;
}

function isThere(socket: string): boolean {
  if (socket.startsWith("/")) return existsSync(socket);
  const colon = socket.lastIndexOf(":");
  const addresses = REACHED_BY.get(socket.slice(0, colon)) ?? [];
  return findListeners(Number(socket.slice(colon + 1)), addresses).length > 0;
}
