import { readFileSync } from "node:fs";

const GROUP_LINE = /^([^:]+):[^:]*:([0-9]+):/;

/**
 * The name of each group id, from `/etc/group`; an id without a line keeps its number.
 * Read afresh each time: it is asked at start-up and when a read was refused, both
 * rare, and an administrator may just have changed it.
 */
export function readGroupNames(gids: number[], file = "/etc/group"): string[] {
  const names = new Map<number, string>();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [, name, gid] = GROUP_LINE.exec(line) ?? [];
    if (name !== undefined && gid !== undefined && !names.has(Number(gid))) {
      names.set(Number(gid), name);
    }
  }
  return gids.map((gid) => names.get(gid) ?? String(gid));
}
