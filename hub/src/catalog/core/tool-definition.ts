import { createHash } from "node:crypto";
import { ToolResults } from "@sonde/schemas/hub";
import type { ProbeManifest, ValueSchema } from "@sonde/schemas/manifest";
import { AGENT_ARGUMENT, buildProbeId, type Digest, toolNameOf } from "@sonde/schemas/names";
import { type Signer, markUnsigned } from "@sonde/schemas/trust";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { HubPack } from "../../directory/index.ts";

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

/** A probe of a pack as a tool, and the hash of the tool's words that a pin fixes. */
export type ProbeDefinition = {
  /** Its name within the pack. */
  name: string;
  /** Its name in the whole installation. */
  probe: string;
  manifest: ProbeManifest;
  tool: ToolDefinition;
  definitionSha256: Digest;
};

/** Every probe of a pack with its tool. */
export function buildDefinitions(
  pack: Pick<HubPack, "name" | "signer" | "manifest">,
): ProbeDefinition[] {
  return Object.entries(pack.manifest.probes).map(([name, manifest]) => {
    const probe = buildProbeId(pack.name, name);
    const tool = buildTool(probe, manifest, pack.signer);
    return { name, probe, manifest, tool, definitionSha256: hashDefinition(tool) };
  });
}

/** What a pin fixes: every word and schema of a tool. */
export function hashDefinition(tool: ToolDefinition): Digest {
  return `sha256:${createHash("sha256").update(canonicalJson(tool), "utf8").digest("hex")}`;
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
