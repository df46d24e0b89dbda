import { SondeError } from "@sonde/schemas/errors";

/** @returns the gid of each group by its name, from the text of /etc/group (group(5)) */
export function parseGroupFile(text: string): Map<string, number> {
  const rows = text.split("\n").filter((line) => line !== "");
  return new Map(
    rows.map((row) => {
      const [name = "", , gid] = row.split(":");
      return [name, Number(gid)];
    }),
  );
}

/**
 * The gids of groups, in their order.
 *
 * @param text of /etc/group
 * @throws SondeError RIGHT_MISSING when this host lacks one
 */
export function findGids(groups: readonly string[], text: string): number[] {
  const known = parseGroupFile(text);
  return groups.map((group) => {
    const gid = known.get(group);
    if (gid !== undefined) return gid;
    throw new SondeError(
      "RIGHT_MISSING",
      `expected the group ${JSON.stringify(group)} on this host, there is none; install what a pack looks at there first`,
    );
  });
}
