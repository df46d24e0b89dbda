import type { Source, SourceKind } from "@sonde/schemas/manifest";
import { certificatesRules } from "./kinds/certificates.ts";
import { directoryRules } from "./kinds/directory.ts";
import { dnsRules } from "./kinds/dns.ts";
import { execRules } from "./kinds/exec.ts";
import { fileRules } from "./kinds/file.ts";
import { filesystemRules } from "./kinds/filesystem.ts";
import { httpRules } from "./kinds/http.ts";
import { journalRules } from "./kinds/journal.ts";
import { linesRules } from "./kinds/lines.ts";
import { redisRules } from "./kinds/redis.ts";
import { sqlRules } from "./kinds/sql.ts";
import { tlsRules } from "./kinds/tls.ts";
import { treeRules } from "./kinds/tree.ts";
import type { SourceRules } from "./source-rules.ts";

/** The rules of every kind of source. */
const KINDS: { [K in SourceKind]: SourceRules<K> } = {
  file: fileRules,
  lines: linesRules,
  directory: directoryRules,
  tree: treeRules,
  filesystem: filesystemRules,
  exec: execRules,
  http: httpRules,
  journal: journalRules,
  dns: dnsRules,
  tls: tlsRules,
  sql: sqlRules,
  redis: redisRules,
  certificates: certificatesRules,
};

/** Returns the rules of a source's kind. */
export function rulesOf(source: Source): SourceRules<SourceKind> {
  // The table has every kind. TypeScript cannot relate a source's kind to its entry.
  return KINDS[source.kind] as SourceRules<SourceKind>;
}
