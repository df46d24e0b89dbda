import { pack } from "@sonde/pack-sdk/author";
import { containerInspect } from "./container-inspect.ts";
import { containersList } from "./containers-list.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "sonde/docker",
  version: "0.1.1",
  description:
    "The containers of a host, asked of its Docker-compatible engine by GET requests only.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  groups: ["docker"],
  sources,
  probes: { "containers.list": containersList, "container.inspect": containerInspect },
});
