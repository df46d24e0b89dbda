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
/** Those that do not run as well. */
export const allContainers = source.http({
  socket,
  path: "/containers/json",
  query: { all: "true" },
  maxBytes: 4194304,
});
export const images = source.http({ socket, path: "/images/json", maxBytes: 4194304 });
// The engine walks the files of all containers and volumes.
export const diskUsage = source.http({
  socket,
  path: "/system/df",
  maxBytes: 4194304,
  timeoutMs: 20000,
});
export const stats = source.http({
  socket,
  path: ["/containers/", hole.containerName("name"), "/stats"],
  // Docker takes a second or two for each look.
  query: { stream: "false" },
  timeoutMs: 10000,
  maxBytes: 262144,
  samples: { count: 2, intervalMs: 1000 },
});
/**
 * More lines than are shown: a secret over several lines, such as a key, begins before what is asked for.
 */
export const output = source.http({
  socket,
  path: ["/containers/", hole.containerName("name"), "/logs"],
  query: { stdout: "true", stderr: "true", timestamps: "true", tail: "1000" },
  keep: "last",
  as: "container-output",
  timeoutMs: 10000,
  maxBytes: 262144,
});
/** Podman tells nothing up to a time that has passed, so the end is a little ahead. */
export const events = source.http({
  socket,
  path: "/events",
  query: {
    since: { minutesAgo: hole.integer("minutes", { minimum: 1, maximum: 10080 }) },
    until: { secondsAhead: 2 },
  },
  keep: "last",
  timeoutMs: 10000,
});
