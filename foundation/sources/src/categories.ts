import type { Category, Source, SourceKind } from "@sonde/schemas/manifest";

/** What each kind of source reads, for people who look for a pack. */
const OF_KIND: Readonly<Record<SourceKind, Category>> = {
  file: "files",
  lines: "files",
  directory: "files",
  tree: "files",
  filesystem: "files",
  certificates: "files",
  exec: "commands",
  journal: "journal",
  http: "services",
  sql: "sql",
  redis: "redis",
  dns: "network",
  tls: "network",
};

/** Returns what a source reads. A request with TLS may leave the host. */
export function categoryOf(source: Source): Category {
  if (source.kind === "http" && source.tls === true) return "network";
  return OF_KIND[source.kind];
}

/** A category as people see it: two words at most, and what it means for a host. */
export function describeCategory(category: Category): { label: string; words: string } {
  return WORDS[category];
}

const WORDS: Readonly<Record<Category, { label: string; words: string }>> = {
  files: {
    label: "Files",
    words: "Reads files and folders of the host, their sizes, or how full file systems are.",
  },
  commands: {
    label: "Commands",
    words: "Runs fixed commands. A caller chooses at most whole arguments of a named type.",
  },
  journal: { label: "Journal", words: "Reads the host's journal, in which services write." },
  services: {
    label: "Local services",
    words: "Sends GET requests to a service of the host, over a unix socket or a port of loopback.",
  },
  sql: {
    label: "SQL",
    words:
      "Sends fixed statements to a database of the host, each in a transaction that writes nothing.",
  },
  redis: { label: "Redis", words: "Sends fixed commands that only look to a Redis of the host." },
  network: {
    label: "Network",
    words: "Leaves the host: asks name servers, connects to other hosts, or sends them requests.",
  },
};
