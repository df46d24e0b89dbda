import { pack } from "@sonde/pack-sdk/author";
import { diskUsage } from "./disk-usage.ts";
import { kernelVersion } from "./kernel-version.ts";
import { memoryUsage } from "./memory-usage.ts";
import { overview } from "./overview.ts";
import { processesTop } from "./processes-top.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/system",
  version: "0.1.1",
  description: "The state of a Linux host: load, memory, disks, processes and kernel.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: {
    overview,
    "disk.usage": diskUsage,
    "memory.usage": memoryUsage,
    "processes.top": processesTop,
    "kernel.version": kernelVersion,
  },
});
