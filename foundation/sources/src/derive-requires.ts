import type { ExecSource, HttpSource, Requires, Source } from "@sonde/schemas/manifest";
import { argumentPattern, pathPattern, queryPattern } from "./template.ts";

type SourceNeeds = Partial<Record<"commands" | "files" | "sockets", string>>;

/** What reading the mount table needs, whatever the manifest. */
const MOUNT_TABLE = "/proc/self/mountinfo";

/**
 * What these sources need of a host, for a person to grant. Build writes it
 * into the manifest and every verifier recomputes it. Each list is sorted and
 * free of repetition. Files are patterns as `pathPattern` makes them; a
 * directory whose entries' files are read is `DIRECTORY`, any entry, `CHILD`.
 * A command is named with its arguments, a socket with each request over it:
 * other words, or a hole that takes more, are another thing to be granted.
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
      return { commands: [source.command, ...argumentPatterns(source)].join(" ") };
    case "http":
      return { sockets: `${source.socket} GET ${requestPattern(source)}` };
  }
}

function argumentPatterns({ argv, holes }: ExecSource): string[] {
  return argv.map((argument) => argumentPattern(argument, holes));
}

function requestPattern({ path, query = {}, holes }: HttpSource): string {
  const pairs = Object.entries(query)
    .map(([name, value]) => `${name}=${queryPattern(value, holes)}`)
    .toSorted((a, b) => (a < b ? -1 : 1));
  return [pathPattern(path, holes), pairs.join("&")].filter((part) => part !== "").join("?");
}

function sortedUnique(values: readonly (string | undefined)[]): string[] {
  const present = values.filter((value) => value !== undefined);
  return [...new Set(present)].toSorted((a, b) => (a < b ? -1 : 1));
}
