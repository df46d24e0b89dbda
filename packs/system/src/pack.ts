import { pack } from "@sonde/pack-sdk/author";
import { blockDevices } from "./block-devices.ts";
import { boots } from "./boots.ts";
import { cpuUsage } from "./cpu-usage.ts";
import { cronJobs } from "./cron-jobs.ts";
import { diskIo } from "./disk-io.ts";
import { diskUsage } from "./disk-usage.ts";
import { kernelVersion } from "./kernel-version.ts";
import { limits } from "./limits.ts";
import { logins } from "./logins.ts";
import { memoryActivity } from "./memory-activity.ts";
import { memoryUsage } from "./memory-usage.ts";
import { mounts } from "./mounts.ts";
import { overview } from "./overview.ts";
import { packagesChanged } from "./packages-changed.ts";
import { packagesPending } from "./packages-pending.ts";
import { pressureProbe } from "./pressure.ts";
import { processDetail } from "./process-detail.ts";
import { processesStuck } from "./processes-stuck.ts";
import { processesTop } from "./processes-top.ts";
import { rebootNeeded } from "./reboot-needed.ts";
import { systemRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";
import { timeSync } from "./time-sync.ts";
import { users } from "./users.ts";

export default pack({
  name: "sonde/system",
  version: "0.2.0",
  description:
    "The state of a Linux host: load, CPU, memory, disks, processes, limits, users and packages.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: {
    overview,
    pressure: pressureProbe,
    "cpu.usage": cpuUsage,
    "memory.usage": memoryUsage,
    "memory.activity": memoryActivity,
    "disk.usage": diskUsage,
    "disk.io": diskIo,
    mounts,
    "block.devices": blockDevices,
    "processes.top": processesTop,
    "processes.stuck": processesStuck,
    "process.detail": processDetail,
    limits,
    users,
    "packages.changed": packagesChanged,
    "packages.pending": packagesPending,
    "reboot.needed": rebootNeeded,
    boots,
    logins,
    "cron.jobs": cronJobs,
    "time.sync": timeSync,
    "kernel.version": kernelVersion,
  },
  runbook: systemRunbook,
});
