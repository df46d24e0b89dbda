import { createHash } from "node:crypto";
import { ToolResults } from "@sonde/schemas/hub";
import { type Manifest, type ProbeManifest, type ValueSchema } from "@sonde/schemas/manifest";
import {
  AGENT_ARGUMENT,
  buildProbeId,
  type Capability,
  type Digest,
  toolNameOf,
} from "@sonde/schemas/names";
import { markUnsigned, type Signer } from "@sonde/schemas/trust";
import { type PackReport } from "@sonde/schemas/wire";
import { canonicalJson } from "@sonde/trust/log";
import { authorize, type Principal } from "./authorize.ts";

/** A pack this hub verified itself. */
export type HubPack = {
  digest: Digest;
  name: string;
  version: string;
  signer: Signer;
  manifest: Manifest;
};

/** An agent as the catalog sees it, reachable or not. */
export type CatalogAgent = { name: string; packs: PackReport[] };

/** What an MCP client sees of a probe. */
export type ToolDefinition = {
  name: string;
  description: string;
  inputSchema: object;
  outputSchema: object;
  annotations: {
    title: string;
    readOnlyHint: boolean;
    destructiveHint: boolean;
    idempotentHint: boolean;
    openWorldHint: boolean;
  };
};

/** One probe that may be called now, with the agents it may be asked of. */
export type CatalogEntry = {
  probe: string;
  capability: Capability;
  params: ValueSchema;
  /** What an answer must be; the tool's output schema, and so the pin, has it too. */
  result: ValueSchema;
  tool: ToolDefinition;
  /** Agent name -> digest of the pack that serves it there. */
  agents: Map<string, Digest>;
};

export type CatalogInput = {
  agents: CatalogAgent[];
  packs: Map<Digest, HubPack>;
  /** Probe id -> the definition hash a person approved. */
  pins: Map<string, Digest>;
};

/** Tool name -> entry, sorted by name. */
export type Catalog = ReadonlyMap<string, CatalogEntry>;

/**
 * Everything that can be called at all: active packs on known agents, from
 * archives this hub verified, whose definitions are exactly the pinned ones.
 * Offline agents keep their tools.
 */
export function buildCatalog(input: CatalogInput): Catalog {
  const found = new Map<string, CatalogEntry>();
  for (const agent of input.agents) {
    for (const report of agent.packs) {
      const pack = report.digest === null ? undefined : input.packs.get(report.digest);
      if (report.state !== "active" || pack === undefined) continue;
      addPack(found, input.pins, agent.name, pack, new Set(report.probes));
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function addPack(
  found: Map<string, CatalogEntry>,
  pins: CatalogInput["pins"],
  agent: string,
  pack: HubPack,
  onHost: Set<string>,
): void {
  for (const { name, probe, manifest, tool, definitionSha256 } of listDefinitions(pack)) {
    if (!onHost.has(name) || pins.get(probe) !== definitionSha256) continue;
    const entry = found.get(tool.name);
    if (entry === undefined) {
      const agents = new Map([[agent, pack.digest]]);
      const { capability, params, result } = manifest;
      found.set(tool.name, { probe, capability, params, result, tool, agents });
    } else {
      entry.agents.set(agent, pack.digest);
    }
  }
}

/** The tools a principal may call on at least one agent: what its list shows. */
export function restrictCatalog(catalog: Catalog, principal: Principal): ToolDefinition[] {
  const visible: ToolDefinition[] = [];
  for (const { probe, capability, tool, agents } of catalog.values()) {
    const mayCall = [...agents.keys()].some(
      (agent) => authorize(principal, { kind: "probe.call", agent, probe, capability }).allowed,
    );
    if (mayCall) visible.push(tool);
  }
  return visible;
}

/** Every probe of a pack with its tool and the hash that a pin fixes. */
export function listDefinitions(pack: Pick<HubPack, "name" | "signer" | "manifest">): {
  name: string;
  probe: string;
  manifest: ProbeManifest;
  tool: ToolDefinition;
  definitionSha256: Digest;
}[] {
  return Object.entries(pack.manifest.probes).map(([name, manifest]) => {
    const probe = buildProbeId(pack.name, name);
    const tool = buildTool(probe, manifest, pack.signer);
    const hash = createHash("sha256").update(canonicalJson(tool), "utf8").digest("hex");
    return { name, probe, manifest, tool, definitionSha256: `sha256:${hash}` };
  });
}

/** Identifies a list of tools, so that only a real change is announced. */
export function hashTools(tools: ToolDefinition[]): string {
  return createHash("sha256").update(canonicalJson(tools), "utf8").digest("hex");
}

function buildTool(probe: string, manifest: ProbeManifest, signer: Signer): ToolDefinition {
  const params = manifest.params as Extract<ValueSchema, { required: string[] }>;
  const observes = manifest.capability === "observe";
  return {
    name: toolNameOf(probe),
    description: manifest.description,
    inputSchema: {
      type: "object",
      properties: {
        [AGENT_ARGUMENT]: {
          type: "string",
          description: "Name of the server to look at, as list_agents gives it.",
        },
        ...params.properties,
      },
      required: [AGENT_ARGUMENT, ...params.required],
      additionalProperties: false,
    },
    outputSchema: buildOutputSchema(manifest.result),
    annotations: {
      // In what a pin fixes: an approval of signed words does not cover unsigned ones.
      title: `${probe}${markUnsigned(signer)}`,
      readOnlyHint: observes,
      destructiveHint: !observes,
      idempotentHint: observes,
      openWorldHint: false,
    },
  };
}

/** The one result shape of every tool, with this probe's own data in it. */
export function buildOutputSchema(data: object): object {
  const shape = JSON.parse(JSON.stringify(ToolResults)) as {
    properties: { results: { items: { properties: { data: object } } } };
  };
  shape.properties.results.items.properties.data = data;
  return shape;
}
