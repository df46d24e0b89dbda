import { pack } from "@sonde/pack-sdk/author";
import { accessSummary } from "./access-summary.ts";
import { config } from "./config.ts";
import { errors } from "./errors.ts";
import { nginxRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";
import { status } from "./status.ts";

export default pack({
  name: "sonde/nginx",
  version: "0.1.0",
  description:
    "nginx on this host: what it counts, how it is configured, which requests fail or are slow, and what it reports.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  groups: ["adm"],
  sources,
  probes: { status, config, "access.summary": accessSummary, errors },
  runbook: nginxRunbook,
});
