import { hole, source } from "@sonde/pack-sdk/author";

const endpoint = "127.0.0.1:6379";
const setting = (name: string) =>
  source.redis({ endpoint, command: `CONFIG GET ${name}`, maxBytes: 4096 });

/** All that the server counts by default, as two looks a second apart. */
export const counters = source.redis({
  ...{ endpoint, command: "INFO", maxBytes: 131072, timeoutMs: 5000 },
  samples: { count: 2, intervalMs: 1000 },
});
export const memoryInfo = source.redis({ endpoint, command: "INFO memory" });
export const replicationInfo = source.redis({ endpoint, command: "INFO replication" });
export const statistics = source.redis({ endpoint, command: "INFO stats" });
export const commandInfo = source.redis({ endpoint, command: "INFO commandstats" });
export const percentiles = source.redis({ endpoint, command: "INFO latencystats" });
export const memoryStats = source.redis({ endpoint, command: "MEMORY STATS" });
export const doctor = source.redis({ endpoint, command: "MEMORY DOCTOR", maxBytes: 16384 });
export const latest = source.redis({ endpoint, command: "LATENCY LATEST", maxBytes: 16384 });
export const role = source.redis({ endpoint, command: "ROLE" });
export const connections = source.redis({
  ...{ endpoint, command: "CLIENT LIST", maxBytes: 4194304, timeoutMs: 5000 },
});
export const slowest = source.redis({
  ...{ endpoint, command: "SLOWLOG GET", maxBytes: 2097152, timeoutMs: 5000 },
  newest: hole.integer("newest", { minimum: 1, maximum: 1000 }),
});
export const slowCount = source.redis({ endpoint, command: "SLOWLOG LEN", maxBytes: 4096 });
export const savePoints = setting("save");
export const mostClients = setting("maxclients");
export const slowThreshold = setting("slowlog-log-slower-than");
export const slowMost = setting("slowlog-max-len");
export const latencyThreshold = setting("latency-monitor-threshold");
export const replicasToWrite = setting("min-replicas-to-write");
