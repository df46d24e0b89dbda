import { hole, source } from "@sonde/pack-sdk/author";

const socket = "/var/run/docker.sock";

export const containers = source.http({
  socket,
  path: "/containers/json",
  query: { all: hole.boolean("all") },
  maxBytes: 4194304,
});
/** Shows only whether an engine answers. */
export const engine = source.http({ socket, path: "/_ping", maxBytes: 1024 });
export const container = source.http({
  socket,
  path: ["/containers/", hole.containerName("name"), "/json"],
});
