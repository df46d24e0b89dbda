import { pack } from "@sonde/pack-sdk/author";
import { files } from "./files.ts";
import { logsRunbook } from "./runbook.ts";
import { search } from "./search.ts";
import * as sources from "./sources.ts";
import { tail } from "./tail.ts";

export default pack({
  name: "sonde/logs",
  version: "0.1.0",
  description:
    "The log files of a host under /var/log: which there are, their newest lines, and a search.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  groups: ["adm"],
  sources,
  probes: { files, tail, search },
  runbook: logsRunbook,
});
