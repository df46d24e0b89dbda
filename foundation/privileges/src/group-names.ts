import { readFileSync } from "node:fs";

const GROUP_LINE = /^([^:]+):[^:]*:([0-9]+):/;

/**
 * Returns the name of each group id from `/etc/group`. An id without a line keeps its
 * number. The file is read at each call, because calls are rare (at start, and after a
 * refused read) and an administrator may just have changed it.
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
