import { createHash } from "node:crypto";
import { ToolResults } from "@sonde/schemas/hub";
import type { ProbeManifest, ValueSchema } from "@sonde/schemas/manifest";
import { AGENT_ARGUMENT, buildProbeId, type Digest, toolNameOf } from "@sonde/schemas/names";
import { type Signer, markUnsigned } from "@sonde/schemas/trust";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { HubPack } from "../../directory/index.ts";

/** A probe as an MCP client sees it. */
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

/** A probe as a tool, with the hash that a pin holds. */
export type ProbeDefinition = {
  /** Name within the pack. */
  name: string;
  /** Name within the installation. */
  probe: string;
  manifest: ProbeManifest;
  tool: ToolDefinition;
  definitionSha256: Digest;
};

/** Builds the tool of every probe of a pack. */
export function buildDefinitions(
  pack: Pick<HubPack, "name" | "signer" | "manifest">,
): ProbeDefinition[] {
  return Object.entries(pack.manifest.probes).map(([name, manifest]) => {
    const probe = buildProbeId(pack.name, name);
    const tool = buildTool(probe, manifest, pack.signer);
    return { name, probe, manifest, tool, definitionSha256: hashDefinition(tool) };
  });
}

/** Hashes what a pin covers: all of a tool's words and schemas. */
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
      // The pin covers the title, so approving a signed pack's words does not approve an unsigned
      // one's.
      title: `${probe}${markUnsigned(signer)}`,
      readOnlyHint: observes,
      destructiveHint: !observes,
      idempotentHint: observes,
      openWorldHint: false,
    },
  };
}

/** Builds a tool's output schema: the common result shape with this probe's data. */
export function buildOutputSchema(data: object): object {
  const shape = JSON.parse(JSON.stringify(ToolResults)) as {
    properties: { results: { items: { properties: { data: object } } } };
  };
  shape.properties.results.items.properties.data = data;
  return shape;
}
