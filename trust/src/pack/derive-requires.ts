import type { Requires, Source } from "@sonde/schemas";
import { pathPattern } from "./template.ts";

type SourceNeeds = Partial<Record<"commands" | "files" | "sockets", string>>;

/** What reading the mount table needs, whatever the manifest. */
const MOUNT_TABLE = "/proc/self/mountinfo";

/**
 * What these sources need of a host, for a person to grant. Build writes it
 * into the manifest and every verifier recomputes it. Each list is sorted and
 * free of repetition. Files are patterns as `pathPattern` makes them; a
 * directory whose entries' files are read is `DIRECTORY`, any entry, `CHILD`.
 * A socket is named with each request that is made over it.
 */
export function deriveRequires(
  sources: Readonly<Record<string, Source>>,
): Omit<Requires, "groups"> {
  const needs = Object.values(sources).map(needsOf);
  return {
    commands: sortedUnique(needs.map(({ commands }) => commands)),
    files: sortedUnique(needs.map(({ files }) => files)),
    sockets: sortedUnique(needs.map(({ sockets }) => sockets)),
  };
}

function needsOf(source: Source): SourceNeeds {
  switch (source.kind) {
    case "file":
      return { files: pathPattern(source.path, source.holes) };
    case "directory": {
      const path = pathPattern(source.path, source.holes);
      return { files: source.child === undefined ? path : `${path}/*/${source.child}` };
    }
    case "filesystem":
      return { files: MOUNT_TABLE };
    case "exec":
      return { commands: source.command };
    case "http":
      // The path too: being granted one question over a socket is not being granted them all.
      return { sockets: `${source.socket} GET ${pathPattern(source.path, source.holes)}` };
  }
}

function sortedUnique(values: readonly (string | undefined)[]): string[] {
  const present = values.filter((value) => value !== undefined);
  return [...new Set(present)].toSorted((a, b) => (a < b ? -1 : 1));
}
