import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, items, type Members, members, parseJson } from "@sonde/pack-sdk/parse";
import { bareName, integer, shortId, text, time } from "./parse-answer.ts";
import * as sources from "./sources.ts";

const details = t.object({
  id: t.string({ description: "first 12 digits" }),
  name: t.string(),
  image: t.string(),
  createdAt: t.nullable(t.string()),
  state: t.object({
    status: t.string(),
    exitCode: t.integer({ description: "of the last run; 137 is a kill" }),
    outOfMemoryKilled: t.boolean(),
    error: t.string(),
    startedAt: t.nullable(t.string()),
    finishedAt: t.nullable(t.string()),
    health: t.nullable(t.string(), { description: "null without a health check" }),
    healthFailingStreak: t.integer(),
  }),
  restartCount: t.integer(),
  restartPolicy: t.string(),
  program: t.string({ description: "without its arguments, which may hold secrets" }),
  user: t.string({ description: "empty is root" }),
  privileged: t.boolean(),
  readOnlyRoot: t.boolean(),
  memoryLimitBytes: t.nullable(t.integer(), { description: "null is no limit" }),
  cpuLimit: t.nullable(t.number(), { description: "in CPUs; null is no limit" }),
  networkMode: t.string(),
  networks: t.array(t.object({ name: t.string(), ipAddress: t.string() })),
  mounts: t.array(
    t.object({
      type: t.string(),
      source: t.string(),
      destination: t.string(),
      readOnly: t.boolean(),
    }),
  ),
  environmentNames: t.array(t.string(), { description: "names only; values never leave the host" }),
});

export const containerInspect = probe({
  description:
    "One container in detail: how it last ended, restarts, health, limits, mounts, networks, and the names " +
    "(never the values) of its environment variables. found is false when no container has that name.",
  params: t.object({
    name: t.string({
      maxLength: 128,
      description: "name or id, as docker_containers_list gives it",
    }),
  }),
  result: t.object({ found: t.boolean(), container: t.nullable(details) }),
  reads: {
    // Mandatory: without an answer from the engine, nothing is known about any container.
    engine: sources.engine,
    answer: read(sources.container, { with: { name: param("name") }, optional: true }),
  },
  run({ reads: { answer } }) {
    if (!answer.ok) {
      const { code, message } = answer.failure;
      if (code === "SOURCE_NOT_FOUND") return { found: false, container: null };
      throw new Error(`expected an answer from the engine, got ${code}: ${message}`);
    }
    const { status, body, truncated } = answer;
    if (status !== 200 || truncated) {
      throw new Error(`expected one whole container from the engine, got status ${status}`);
    }
    return {
      found: true,
      container: describeContainer(members(parseJson(body, "the container engine"))),
    };
  },
});

function describeContainer(container: Members) {
  const config = members(container.get("Config"));
  const host = members(container.get("HostConfig"));
  return {
    id: shortId(container.get("Id")),
    name: bareName(container.get("Name")),
    image: text(config.get("Image")),
    createdAt: time(container.get("Created")),
    state: describeState(members(container.get("State"))),
    restartCount: integer(container.get("RestartCount")),
    restartPolicy: text(members(host.get("RestartPolicy")).get("Name")),
    program: text(container.get("Path")),
    user: text(config.get("User")),
    privileged: host.get("Privileged") === true,
    readOnlyRoot: host.get("ReadonlyRootfs") === true,
    memoryLimitBytes: integer(host.get("Memory")) || null,
    cpuLimit: cpuLimitOf(host),
    networkMode: text(host.get("NetworkMode")),
    networks: describeNetworks(members(container.get("NetworkSettings"))),
    mounts: items(container.get("Mounts")).map(describeMount).sort(byDestination),
    environmentNames: items(config.get("Env")).map(environmentName).sort(compareText),
  };
}

/**
 * The limit in CPUs. Engines write it as `NanoCpus` or as a quota of a period, in microseconds; a
 * quota of 0 or -1 is no limit, a period of 0 the kernel's default (cgroups, cpu.cfs_period_us).
 */
function cpuLimitOf(host: Members): number | null {
  const cpus = integer(host.get("NanoCpus")) / 1e9;
  const quota = integer(host.get("CpuQuota"));
  const period = integer(host.get("CpuPeriod")) || 100_000;
  return cpus || (quota > 0 && period > 0 ? quota / period : null);
}

function describeState(state: Members) {
  const health = members(state.get("Health"));
  const status = text(health.get("Status"));
  return {
    status: text(state.get("Status")),
    exitCode: integer(state.get("ExitCode")),
    outOfMemoryKilled: state.get("OOMKilled") === true,
    error: text(state.get("Error")),
    startedAt: time(state.get("StartedAt")),
    finishedAt: time(state.get("FinishedAt")),
    health: status === "" || status === "none" ? null : status,
    healthFailingStreak: integer(health.get("FailingStreak")),
  };
}

function describeNetworks(settings: Members) {
  return [...members(settings.get("Networks"))]
    .map(([name, network]) => ({ name, ipAddress: text(members(network).get("IPAddress")) }))
    .sort((a, b) => compareText(a.name, b.name));
}

function describeMount(value: unknown) {
  const mount = members(value);
  return {
    type: text(mount.get("Type")),
    source: text(mount.get("Name")) || text(mount.get("Source")),
    destination: text(mount.get("Destination")),
    readOnly: mount.get("RW") === false,
  };
}

function byDestination(a: { destination: string }, b: { destination: string }): number {
  return compareText(a.destination, b.destination);
}

function environmentName(entry: unknown): string {
  return text(entry).split("=", 1)[0] ?? "";
}
