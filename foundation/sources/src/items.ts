import type { Requires } from "@sonde/schemas/manifest";

/** The word of each list of requirements. */
const WORDS: Record<keyof Requires, string> = {
  groups: "group",
  commands: "command",
  files: "file",
  sockets: "socket",
  hosts: "host",
};
const LISTS = Object.entries(WORDS) as [keyof Requires, string][];

/**
 * Names each requirement as a person sees and types it: `group docker`, `file /proc/meminfo`,
 * `command df -P`. The name is the requirement itself, so no later version of a pack can give it
 * another meaning. A window's `of` is such a name.
 */
export function listItems(requires: Partial<Requires>): string[] {
  return LISTS.flatMap(([list, word]) => (requires[list] ?? []).map((item) => `${word} ${item}`));
}

/** Keeps the requirements whose names are wanted. */
export function pickItems(requires: Requires, isWanted: (item: string) => boolean): Requires {
  return buildRequires((list) =>
    (requires[list] ?? []).filter((item) => isWanted(`${WORDS[list]} ${item}`)),
  );
}

/** Builds requirements list by list. One that earlier releases do not know is left out when empty. */
export function buildRequires(listOf: (list: keyof Requires) => string[]): Requires {
  const hosts = listOf("hosts");
  return {
    groups: listOf("groups"),
    commands: listOf("commands"),
    files: listOf("files"),
    sockets: listOf("sockets"),
    ...(hosts.length > 0 && { hosts }),
  };
}
