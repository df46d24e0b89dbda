import { pack } from "@sonde/pack-sdk/author";
import { boots } from "./boots.ts";
import { usage } from "./disk-usage.ts";
import { errors } from "./errors.ts";
import { kernel } from "./kernel.ts";
import { oomKills } from "./oom-kills.ts";
import { query } from "./query.ts";
import { journalRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/journal",
  version: "0.1.0",
  description:
    "The systemd journal of a host: its rows, what went wrong, the kernel, kills for memory, boots.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  groups: ["systemd-journal"],
  sources,
  probes: {
    query,
    errors,
    kernel,
    "oom.kills": oomKills,
    boots,
    "disk.usage": usage,
  },
  runbook: journalRunbook,
});
