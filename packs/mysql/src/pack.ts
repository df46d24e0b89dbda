import { pack } from "@sonde/pack-sdk/author";
import { activity } from "./activity.ts";
import { buffers } from "./buffers.ts";
import { locks } from "./locks.ts";
import { overview } from "./overview.ts";
import { replication } from "./replication.ts";
import { mysqlRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";
import { statements } from "./statements.ts";

export default pack({
  name: "sonde/mysql",
  version: "0.1.0",
  description:
    "A MariaDB or MySQL server of the host: sessions, locks, costly statements, replication, memory.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: { overview, activity, locks, statements, replication, buffers },
  runbook: mysqlRunbook,
});
