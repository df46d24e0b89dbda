import { hole, source } from "@sonde/pack-sdk/author";

const socket = "/var/run/docker.sock";

export const containers = source.http({
  socket,
  path: "/containers/json",
  query: { all: hole.boolean("all") },
  maxBytes: 4194304,
});
export const container = source.http({
  socket,
  path: ["/containers/", hole.containerName("name"), "/json"],
});
