import { createHash } from "node:crypto";
import type { ProbeManifest, ValueSchema } from "@sonde/schemas/manifest";
import {
  AGENT_ARGUMENT,
  buildProbeId,
  type Digest,
  RUNBOOK_NAME,
  toolNameOf,
} from "@sonde/schemas/names";
import { markUnsigned, type Signer } from "@sonde/schemas/trust";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { HubPack } from "../../directory/index.ts";

type ObjectSchema = Extract<ValueSchema, { required: string[] }>;

/** A probe as an MCP client sees it. */
export type ToolDefinition = {
  name: string;
  description: string;
  inputSchema: {
    type: "object";
    properties: Record<string, object>;
    required: string[];
    additionalProperties: false;
  };
  /** Absent where the answer is text only. */
  outputSchema?: { type: "object" };
  annotations: {
    title: string;
    readOnlyHint: boolean;
    destructiveHint: boolean;
    idempotentHint: boolean;
    openWorldHint: boolean;
  };
};

/** What a person approves, by its name within the installation, with the hash that a pin holds. */
export type Words = { probe: string; definitionSha256: Digest };

/** A probe as a tool. */
export type ProbeDefinition = Words & {
  /** Name within the pack. */
  name: string;
  manifest: ProbeManifest;
  tool: ToolDefinition;
};

/** Builds the tool of every probe of a pack. */
export function buildDefinitions(
  pack: Pick<HubPack, "name" | "signer" | "manifest">,
): ProbeDefinition[] {
  return Object.entries(pack.manifest.probes).map(([name, manifest]) => {
    const probe = buildProbeId(pack.name, name);
    const tool = buildTool(probe, manifest, pack.signer);
    return { name, probe, manifest, tool, definitionSha256: hashWords(tool, manifest) };
  });
}

/**
 * Hashes what a pin covers: all that the pack says about a probe. The hub's own words and the
 * result shape of all tools are left out, so that another release of the hub holds no tool.
 */
function hashWords({ name, annotations }: ToolDefinition, manifest: ProbeManifest): Digest {
  const { description, capability, params, result } = manifest;
  // The title says whether the pack is signed, so approving a signed pack's words does not approve
  // an unsigned one's.
  const words = { name, title: annotations.title, description, capability, params, result };
  return hashOf(words);
}

/**
 * What a pin of a pack's runbook covers, under the name of a probe that no pack with a runbook has. A
 * model reads its sentences too. Null when the pack has none.
 */
export function describeRunbook({
  name,
  signer,
  manifest: { runbook },
}: Pick<HubPack, "name" | "signer" | "manifest">): Words | null {
  if (runbook === undefined) return null;
  const probe = buildProbeId(name, RUNBOOK_NAME);
  const words = { name: `${probe}${markUnsigned(signer)}`, runbook };
  return { probe, definitionSha256: hashOf(words) };
}

function hashOf(words: object): Digest {
  return `sha256:${createHash("sha256").update(canonicalJson(words), "utf8").digest("hex")}`;
}

function buildTool(probe: string, manifest: ProbeManifest, signer: Signer): ToolDefinition {
  const params = manifest.params as ObjectSchema;
  const observes = manifest.capability === "observe";
  return {
    name: toolNameOf(probe),
    description: manifest.description,
    inputSchema: {
      type: "object",
      properties: {
        [AGENT_ARGUMENT]: {
          anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
          description: "server, list of servers, or #tag",
        },
        ...params.properties,
      },
      required: [AGENT_ARGUMENT, ...params.required],
      additionalProperties: false,
    },
    outputSchema: OUTPUT_SCHEMA,
    annotations: {
      title: `${probe}${markUnsigned(signer)}`,
      readOnlyHint: observes,
      destructiveHint: !observes,
      idempotentHint: observes,
      openWorldHint: false,
    },
  };
}

/** The tool as a client sees it that may ask one agent only: there is no agent to name. */
export function withoutAgent(tool: ToolDefinition): ToolDefinition {
  const { properties, required, ...rest } = tool.inputSchema;
  const { [AGENT_ARGUMENT]: _, ...params } = properties;
  const inputSchema = {
    ...{ ...rest, properties: params },
    required: required.filter((name) => name !== AGENT_ARGUMENT),
  };
  return { ...tool, inputSchema };
}

/**
 * The output schema of every tool: the outermost shape of all results (`ToolResults`). Every answer
 * fits it, also a failure that repeats the client's own words, so a client that checks its answers
 * can read each of them. A model reads it with each tool of each list, so the rest is said once, in
 * the server's instructions. The hub itself checks the data against the verified manifest.
 */
export const OUTPUT_SCHEMA = {
  type: "object" as const,
  properties: { results: { type: "array", items: { type: "object" } } },
  required: ["results"],
};
