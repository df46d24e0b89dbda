import { pack } from "@sonde/pack-sdk/author";
import { activity } from "./activity.ts";
import { changedSettings } from "./changed-settings.ts";
import { locks } from "./locks.ts";
import { overview } from "./overview.ts";
import { replication } from "./replication.ts";
import { postgresRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";
import { statements } from "./statements.ts";
import { tables } from "./tables.ts";
import { unusedIndexes } from "./unused-indexes.ts";
import { vacuum } from "./vacuum.ts";
import { wal } from "./wal.ts";

export default pack({
  name: "sonde/postgres",
  version: "0.1.0",
  description:
    "A PostgreSQL server of the host: sessions, locks, dead rows, replication, WAL, costly statements, tables, settings.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: {
    overview,
    activity,
    locks,
    vacuum,
    replication,
    wal,
    statements,
    tables,
    "indexes.unused": unusedIndexes,
    "settings.changed": changedSettings,
  },
  runbook: postgresRunbook,
});
