import { type Static, Type } from "typebox";

// Every pattern here is anchored and bounded. No pattern comes from outside.

/** `publisher/pack`, each part lower case. */
export const PackName = Type.String({
  pattern: "^[a-z][a-z0-9-]{0,38}/[a-z][a-z0-9-]{0,38}$",
  description: "publisher/pack",
});
export type PackName = Static<typeof PackName>;

export const PublisherName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,38}$" });
export type PublisherName = Static<typeof PublisherName>;

/** Semantic version 2.0.0 without build metadata. */
export const Version = Type.String({
  pattern:
    "^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]{1,40})?$",
  description: "semantic version",
});
export type Version = Static<typeof Version>;

/** Name of a probe inside its pack, such as `disk.usage`. */
export const ProbeName = Type.String({
  pattern: "^[a-z][a-z0-9-]{0,30}(\\.[a-z][a-z0-9-]{0,30}){0,3}$",
});
export type ProbeName = Static<typeof ProbeName>;

/** Global name of a probe: `system.disk.usage`, `acme/hello.greet`. */
export const ProbeId = Type.String({
  pattern: "^([a-z][a-z0-9-]{0,38}/)?[a-z][a-z0-9-]{0,38}(\\.[a-z][a-z0-9-]{0,30}){1,4}$",
});
export type ProbeId = Static<typeof ProbeId>;

/** `sha256:` and 64 hex digits. */
export const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
export type Digest = Static<typeof Digest>;

export const Uuid = Type.String({
  pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
});
export type Uuid = Static<typeof Uuid>;

/** An agent's name: a lower-case host name. */
export const AgentName = Type.String({ pattern: "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$" });
export type AgentName = Static<typeof AgentName>;

/** ISO 8601 in UTC with milliseconds, as Date.prototype.toISOString formats it. */
export const Timestamp = Type.String({
  pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$",
});
export type Timestamp = Static<typeof Timestamp>;

/** Name of a source, a read, a hole or a parameter inside a manifest. */
export const Identifier = Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" });

export const Capability = Type.Union([
  Type.Literal("observe"),
  Type.Literal("interact"),
  Type.Literal("manage"),
]);
export type Capability = Static<typeof Capability>;

const CAPABILITY_RANK: Record<Capability, number> = { observe: 0, interact: 1, manage: 2 };

/** True when `level` is above what `ceiling` allows. */
export function isHigherCapability(level: Capability, ceiling: Capability): boolean {
  return CAPABILITY_RANK[level] > CAPABILITY_RANK[ceiling];
}

/** The higher of two levels. */
export function higherCapability(a: Capability, b: Capability): Capability {
  return isHigherCapability(a, b) ? a : b;
}

const OFFICIAL_PUBLISHER = "sonde";

/** `sonde/system` + `disk.usage` -> `system.disk.usage`; any other publisher keeps its prefix. */
export function buildProbeId(pack: PackName, probe: ProbeName): ProbeId {
  const [publisher, name] = pack.split("/") as [string, string];
  return publisher === OFFICIAL_PUBLISHER ? `${name}.${probe}` : `${pack}.${probe}`;
}

/** Expands a bare name: `docker` means the official pack `sonde/docker`. */
export function expandPackName(text: string): string {
  return text.includes("/") ? text : `${OFFICIAL_PUBLISHER}/${text}`;
}

/**
 * `system.disk.usage` -> `system_disk_usage`, `acme/hello.greet` -> `acme__hello_greet`. Tool names
 * are unique, because no segment of a probe's id contains an underscore. The hub's catalog maps a
 * tool name back to its probe.
 */
export function toolNameOf(probe: ProbeId): string {
  return probe.replace("/", "__").replaceAll(".", "_");
}

/** The id that a probe has whose tool has this name. */
export function probeOfTool(tool: string): string {
  return tool.replace("__", "/").replaceAll("_", ".");
}

/** Names reserved for tools of the hub itself, also for some that do not exist yet. */
export const RESERVED_TOOLS: ReadonlySet<string> = new Set([
  "list_agents",
  "search_tools",
  "describe_tool",
  "call_tool",
  "explain",
  "read_result",
  "diagnose",
  "health_check",
  "query_audit",
  "agent_overview",
]);

/** The argument that the hub adds to every tool. No probe may have a parameter of this name. */
export const AGENT_ARGUMENT = "agent";

/** A pack's runbook where a probe is named, as in an approval. No pack with a runbook has such a probe. */
export const RUNBOOK_NAME: ProbeName = "diagnose";

/** The inverse of buildProbeId. */
export function splitProbeId(id: ProbeId): { pack: PackName; probe: ProbeName } {
  const slash = id.indexOf("/");
  const dot = id.indexOf(".");
  const pack = slash === -1 ? `${OFFICIAL_PUBLISHER}/${id.slice(0, dot)}` : id.slice(0, dot);
  return { pack, probe: id.slice(dot + 1) };
}
