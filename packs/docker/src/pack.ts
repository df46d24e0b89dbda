import { pack } from "@sonde/pack-sdk/author";
import { containerInspect } from "./container-inspect.ts";
import { containerLogs } from "./container-logs.ts";
import { containerStats } from "./container-stats.ts";
import { containersList } from "./containers-list.ts";
import { diskUsage } from "./disk-usage.ts";
import { events } from "./events.ts";
import { health } from "./health.ts";
import { images } from "./images.ts";
import { dockerRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/docker",
  version: "0.2.0",
  description:
    "The containers of a host, asked of its Docker-compatible engine by GET requests only.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  groups: ["docker"],
  sources,
  probes: {
    "containers.list": containersList,
    "container.inspect": containerInspect,
    "container.stats": containerStats,
    "container.logs": containerLogs,
    health,
    events,
    images,
    "disk.usage": diskUsage,
  },
  runbook: dockerRunbook,
});
