import { pack } from "@sonde/pack-sdk/author";
import { clients } from "./clients.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { overview } from "./overview.ts";
import { replication } from "./replication.ts";
import { redisRunbook } from "./runbook.ts";
import { slowlog } from "./slowlog.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/redis",
  version: "0.1.0",
  description:
    "A Redis server of the host: memory, clients, slow commands, latency, replication, persistence.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: { overview, slowlog, clients, memory, latency, replication },
  runbook: redisRunbook,
});
