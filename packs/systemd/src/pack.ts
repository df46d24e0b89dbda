import { pack } from "@sonde/pack-sdk/author";
import { bootSlow } from "./boot-slow.ts";
import { cgroupUsage } from "./cgroup-usage.ts";
import { systemdRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";
import { timers } from "./timers.ts";
import { unitRestarts } from "./unit-restarts.ts";
import { unitStatus } from "./unit-status.ts";
import { unitsFailed } from "./units-failed.ts";
import { units } from "./units.ts";

export default pack({
  name: "sonde/systemd",
  version: "0.1.0",
  description:
    "The services of a Linux host under systemd: failed units, restarts, timers, the boot, and what units use.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: {
    "units.failed": unitsFailed,
    units,
    "unit.status": unitStatus,
    "unit.restarts": unitRestarts,
    timers,
    "boot.slow": bootSlow,
    "cgroup.usage": cgroupUsage,
  },
  runbook: systemdRunbook,
});
