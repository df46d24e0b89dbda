import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, items, members } from "@sonde/pack-sdk/parse";
import { bareName, integer, shortId, text } from "./parse-answer.ts";
import { readList } from "./read-list.ts";
import * as sources from "./sources.ts";

export const containersList = probe({
  description:
    "The containers of the host's Docker-compatible engine, sorted by name: image, state, since when, and " +
    "published ports. Running ones only, unless all is true. Use docker_container_inspect for one of " +
    "them. Names and images are text chosen by whoever started the container.",
  params: t.object({
    all: t.optional(t.boolean({ description: "include containers that do not run" })),
  }),
  result: t.object({
    containers: t.array(
      t.object({
        id: t.string({ description: "first 12 digits" }),
        name: t.string(),
        image: t.string(),
        state: t.string({ description: "created, running, paused, restarting, exited or dead" }),
        status: t.string({ description: "as the engine words it, with health when known" }),
        createdAt: t.string({ description: "ISO 8601, UTC" }),
        ports: t.array(t.string({ description: "HOST:PORT->PORT/PROTOCOL" })),
      }),
    ),
  }),
  reads: { list: read(sources.containers, { with: { all: param("all", false) } }) },
  run({ reads }) {
    const found = readList(reads.list, "containers");
    const containers = found.map(members).map((container) => ({
      id: shortId(container.get("Id")),
      name: bareName(items(container.get("Names"))[0]),
      image: text(container.get("Image")),
      state: text(container.get("State")),
      status: text(container.get("Status")),
      createdAt: new Date(integer(container.get("Created")) * 1000).toISOString(),
      ports: describePorts(items(container.get("Ports"))),
    }));
    return { containers: containers.sort((a, b) => compareText(a.name, b.name)) };
  },
});

// An engine that listens on both IPv4 and IPv6 reports each port twice.
function describePorts(ports: readonly unknown[]): string[] {
  const described = ports.map(members).map((port) => {
    const inside = `${integer(port.get("PrivatePort"))}/${text(port.get("Type"))}`;
    const outside = integer(port.get("PublicPort"));
    const address = text(port.get("IP"));
    if (outside === 0) return inside;
    return `${address === "" ? "0.0.0.0" : address}:${outside}->${inside}`;
  });
  return [...new Set(described)].sort(compareText);
}
