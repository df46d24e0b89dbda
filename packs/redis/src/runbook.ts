import { runbook } from "@sonde/pack-sdk/author";

const MIB = 2 ** 20;
const HOUR = 3600;
const memoryShown = ["usedBytes", "maxMemoryBytes", "limitPercent", "evictionPolicy"];

export const redisRunbook = runbook({
  description:
    "Memory at its limit, evictions, saving that fails, connections that are refused, replicas whose link is down or that are behind, fragmentation and swap, latency spikes, slow commands.",
  probes: {
    server: { probe: "overview" },
    memory: { probe: "memory" },
    clients: { probe: "clients", params: { limit: 20 } },
    slow: { probe: "slowlog", params: { limit: 50 } },
    latency: { probe: "latency" },
    replication: { probe: "replication" },
  },
  rules: [
    {
      finding: "Redis is at its memory limit and refuses writes.",
      ...{ severity: "critical", of: "memory", show: memoryShown },
      when: [
        { value: "limitPercent", atLeast: 99 },
        { value: "evictionPolicy", oneOf: ["noeviction"] },
      ],
      next: ["redis_memory", "redis_clients"],
    },
    {
      finding: "Redis nears its memory limit, at which it refuses writes.",
      ...{ severity: "warning", of: "memory", show: memoryShown },
      when: [
        { value: "limitPercent", atLeast: 90 },
        { value: "limitPercent", below: 99 },
        { value: "evictionPolicy", oneOf: ["noeviction"] },
      ],
      next: ["redis_memory"],
    },
    {
      finding: "Redis is at its memory limit and evicts keys.",
      ...{ severity: "warning", of: "server", when: [{ value: "evictedPerSecond", atLeast: 0.1 }] },
      show: ["evictedPerSecond", "evictedKeys", "hitPercent", ...memoryShown],
      next: ["redis_memory"],
    },
    {
      finding: "Redis has evicted keys since it started.",
      ...{ severity: "info", of: "server" },
      when: [
        { value: "evictedKeys", atLeast: 1 },
        { value: "evictedPerSecond", below: 0.1 },
      ],
      show: ["evictedKeys", "upSeconds", "hitPercent", ...memoryShown],
      next: ["redis_memory"],
    },
    {
      finding: "Redis refused commands since its memory was at the limit.",
      ...{ severity: "warning", of: "server", each: "errors", show: ["error", "count"] },
      when: [{ value: "error", oneOf: ["OOM"] }],
      next: ["redis_memory", "redis_overview"],
    },
    {
      finding: "The last snapshot of Redis to disk failed; by default it then refuses writes.",
      ...{ severity: "critical", of: "server" },
      when: [{ value: "persistence.isSaveFailing", is: true }],
      show: ["persistence.lastSaveSecondsAgo", "persistence.unsavedChanges"],
      next: ["redis_overview", "system_disk_usage", "system_memory_usage", "journal_query"],
    },
    {
      finding: "Redis refused writes since it cannot save to disk.",
      ...{ severity: "warning", of: "server", each: "errors", show: ["error", "count"] },
      when: [{ value: "error", oneOf: ["MISCONF"] }],
      next: ["redis_overview", "system_disk_usage"],
    },
    {
      finding: "Redis cannot write its append-only file.",
      ...{ severity: "critical", of: "server" },
      when: [{ value: "persistence.isAppendFailing", is: true }],
      show: ["persistence.isAppendOn", "persistence.unsavedChanges"],
      next: ["system_disk_usage", "system_disk_io", "journal_query"],
    },
    {
      finding: "The last rewrite of Redis's append-only file failed, so it grows.",
      ...{ severity: "warning", of: "server" },
      when: [{ value: "persistence.isRewriteFailing", is: true }],
      show: ["persistence.isAppendOn", "upSeconds"],
      next: ["system_disk_usage", "system_memory_usage", "journal_query"],
    },
    {
      finding: "Redis keeps its data in memory alone, and a restart loses it.",
      ...{ severity: "info", of: "server", when: [{ value: "persistence.isOn", is: false }] },
      show: ["keys", "persistence.savePoints", "persistence.isAppendOn"],
    },
    {
      finding: "Redis loads its data, and answers hardly anything until then.",
      ...{ severity: "critical", of: "server", when: [{ value: "isLoading", is: true }] },
      show: ["upSeconds", "usedBytes"],
      next: ["redis_overview", "system_disk_io"],
    },
    {
      finding: "Redis refuses connections, since the most clients are connected.",
      ...{
        severity: "critical",
        of: "server",
        when: [{ value: "rejectedPerSecond", atLeast: 0.1 }],
      },
      show: ["rejectedPerSecond", "rejectedConnections", "clients", "mostClients"],
      next: ["redis_clients"],
    },
    {
      finding: "Redis has refused connections since it started.",
      ...{ severity: "warning", of: "server" },
      when: [
        { value: "rejectedConnections", atLeast: 1 },
        { value: "rejectedPerSecond", below: 0.1 },
      ],
      show: ["rejectedConnections", "upSeconds", "clients", "mostClients"],
      next: ["redis_clients"],
    },
    {
      finding: "Most of the clients that Redis takes are connected.",
      ...{ severity: "warning", of: "server", when: [{ value: "clientsPercent", atLeast: 80 }] },
      show: ["clients", "mostClients", "clientsPercent"],
      next: ["redis_clients"],
    },
    {
      finding: "Clients wait in blocking commands; those of a queue do as a rule.",
      ...{ severity: "info", of: "clients", when: [{ value: "blockedCount", atLeast: 1 }] },
      show: ["blockedCount", "clientCount"],
      next: ["redis_clients"],
    },
    {
      finding: "Somebody watches every command by MONITOR, which slows Redis.",
      ...{ severity: "warning", of: "clients", when: [{ value: "monitorCount", atLeast: 1 }] },
      show: ["monitorCount", "clientCount"],
      next: ["redis_clients"],
    },
    {
      finding: "A client of Redis does not take its answers, which fill memory.",
      ...{ severity: "warning", of: "clients", each: "clients" },
      when: [{ value: "outputBufferBytes", atLeast: 32 * MIB }],
      show: ["id", "address", "name", "kind", "lastCommand", "outputBufferBytes", "memoryBytes"],
      next: ["redis_clients", "redis_memory"],
    },
    {
      finding: "The link of this replica to its primary is down.",
      ...{ severity: "critical", of: "replication", each: "primaries" },
      when: [{ value: "link", oneOf: ["down"] }],
      show: ["address", "state", "downSeconds", "isSynchronising", "leftBytes"],
      next: ["redis_replication", "network_connections", "journal_query"],
    },
    {
      finding: "A replica takes writes of its own, which its primary never has.",
      ...{ severity: "warning", of: "replication", each: "primaries", show: ["address", "link"] },
      when: [{ value: "isReadOnly", is: false }],
      next: ["redis_replication"],
    },
    {
      finding: "A replica is far behind.",
      ...{ severity: "warning", of: "replication", each: "replicas" },
      when: [{ value: "behindBytes", atLeast: 64 * MIB }],
      show: ["address", "state", "behindBytes", "lagSeconds"],
      next: ["redis_replication", "network_connections"],
    },
    {
      finding: "A replica has been silent for long.",
      ...{ severity: "warning", of: "replication", each: "replicas" },
      when: [{ value: "lagSeconds", atLeast: 10 }],
      show: ["address", "state", "lagSeconds", "behindBytes"],
      next: ["redis_replication", "network_connections"],
    },
    {
      finding: "A replica takes all data anew.",
      ...{ severity: "info", of: "replication", each: "replicas" },
      when: [{ value: "state", oneOf: ["wait_bgsave", "send_bulk"] }],
      show: ["address", "state", "behindBytes"],
      next: ["redis_replication"],
    },
    {
      finding: "Much of the memory that Redis has is fragmented.",
      ...{ severity: "warning", of: "memory" },
      when: [
        { value: "fragmentationRatio", atLeast: 1.5 },
        { value: "fragmentationBytes", atLeast: 256 * MIB },
      ],
      show: ["fragmentationRatio", "fragmentationBytes", "usedBytes", "residentBytes"],
      next: ["redis_memory"],
    },
    {
      finding: "A part of Redis's memory may be swapped out, which makes it slow.",
      ...{ severity: "warning", of: "memory", when: [{ value: "isMaybeSwapped", is: true }] },
      show: ["usedBytes", "residentBytes", "fragmentationRatio", "systemBytes"],
      next: ["system_memory_usage", "system_memory_activity"],
    },
    {
      finding: "Redis stood still for a moment within the last hour.",
      ...{ severity: "warning", of: "latency", each: "events" },
      when: [
        { value: "lastMs", atLeast: 100 },
        { value: "lastSecondsAgo", below: HOUR },
      ],
      show: ["event", "lastMs", "lastSecondsAgo", "longestMs"],
      next: ["redis_latency", "redis_slowlog", "system_disk_io"],
    },
    {
      finding: "The last fork held Redis up for long.",
      ...{ severity: "warning", of: "latency", when: [{ value: "lastForkMs", atLeast: 500 }] },
      show: ["lastForkMs"],
      next: ["redis_memory", "redis_latency"],
    },
    {
      finding: "Commands took 100 ms and more within the last hour, while all others waited.",
      ...{ severity: "warning", of: "slow", each: "entries" },
      when: [
        { value: "durationMs", atLeast: 100 },
        { value: "secondsAgo", below: HOUR },
      ],
      show: [
        "command",
        "durationMs",
        "secondsAgo",
        "argumentCount",
        "largestArgumentBytes",
        "client",
      ],
      next: ["redis_slowlog", "redis_latency"],
    },
    {
      finding: "Redis notes no latency spikes (latency-monitor-threshold is 0).",
      ...{ severity: "unseen", of: "latency", when: [{ value: "isMonitored", is: false }] },
      show: ["isMonitored"],
    },
    {
      finding: "Redis logs no slow commands.",
      ...{ severity: "unseen", of: "slow", when: [{ value: "isOn", is: false }] },
      show: ["isOn"],
    },
    {
      finding: "There are more clients than were read.",
      ...{ severity: "unseen", of: "clients", when: [{ value: "incomplete", is: true }] },
      show: ["clientCount"],
    },
    {
      finding: "Something of the Redis server could not be read.",
      ...{ severity: "unseen", of: "server", when: [{ value: "incomplete", is: true }] },
      show: ["version"],
    },
  ],
});
