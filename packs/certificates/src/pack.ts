import { pack } from "@sonde/pack-sdk/author";
import { endpoint } from "./endpoint.ts";
import { files } from "./files.ts";
import { certificatesRunbook } from "./runbook.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/certificates",
  version: "0.1.0",
  description:
    "The certificates of TLS servers and in files of the host: when they end, their names, issuers and keys.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: { endpoint, files },
  runbook: certificatesRunbook,
});
