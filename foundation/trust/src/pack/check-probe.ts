import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, type ProbeManifest, checkValueSchema } from "@sonde/schemas/manifest";
import { AGENT_ARGUMENT, RESERVED_TOOLS, buildProbeId, toolNameOf } from "@sonde/schemas/names";
import { effectiveCapability, explainLevel, findMisfit } from "@sonde/sources";

/** MCP clients refuse longer tool names. */
const MAX_TOOL_NAME = 64;

/**
 * Checks one probe beyond its schema: its schemas use the vocabulary, every read names an
 * existing source and fills each hole, its tool name is short enough and free, and its
 * label is not below the level of its sources.
 *
 * @throws SondeError MANIFEST_INVALID
 */
export function checkProbe(manifest: Manifest, name: string): void {
  const probe = new Map(Object.entries(manifest.probes)).get(name);
  if (probe === undefined) throw refusal(name, "expected a probe, got none");
  checkValueSchema(probe.params, "params");
  checkValueSchema(probe.result, "result");
  checkTool(manifest.name, name, probe);
  checkDeclaredReads(manifest, name, probe);
  checkLabel(manifest, name, probe);
}

function checkTool(pack: Manifest["name"], name: string, { params }: ProbeManifest): void {
  const tool = toolNameOf(buildProbeId(pack, name));
  if (tool.length > MAX_TOOL_NAME) {
    throw refusal(name, `expected a tool name of ${MAX_TOOL_NAME} characters, got ${tool.length}`);
  }
  if (RESERVED_TOOLS.has(tool)) {
    throw refusal(name, `expected another tool name than ${tool}, which is the hub's own`);
  }
  if ("properties" in params && Object.hasOwn(params.properties, AGENT_ARGUMENT)) {
    throw refusal(name, `expected no parameter ${AGENT_ARGUMENT}, which is the hub's own`);
  }
}

/**
 * Clients see the label, and keys are compared with it, so it must not be below the
 * needed level.
 */
function checkLabel(manifest: Manifest, name: string, { capability }: ProbeManifest): void {
  const needed = effectiveCapability(manifest, name);
  if (needed !== capability) {
    const why = explainSources(manifest, name).map((reason) => `; ${reason}`);
    throw refusal(
      name,
      `expected capability ${needed}, as its sources need, got ${capability}${why.join("")}`,
    );
  }
}

/** One sentence for each source of the probe that needs more than `observe`. */
function explainSources({ sources, probes }: Manifest, name: string): string[] {
  const read = new Set(Object.values(probes[name]?.reads ?? {}).map(({ source }) => source));
  return Object.entries(sources).flatMap(([source, declared]) => {
    const why = read.has(source) ? explainLevel(declared) : null;
    return why === null ? [] : [`source ${source}: ${why}`];
  });
}

function checkDeclaredReads(manifest: Manifest, name: string, probe: ProbeManifest): void {
  const sources = new Map(Object.entries(manifest.sources));
  for (const [readName, read] of Object.entries(probe.reads)) {
    const source = sources.get(read.source);
    if (source === undefined) {
      throw refusal(name, `read ${readName}: expected a source, got ${read.source}`);
    }
    const holes = new Map(Object.entries(source.holes ?? {}));
    const values = new Map(Object.entries(read.with ?? {}));
    for (const [hole, type] of holes) {
      const value = values.get(hole);
      const misfit =
        value === undefined ? "expected a value, got none" : findMisfit(type, value, probe.params);
      if (misfit !== null) throw refusal(name, `read ${readName}, hole ${hole}: ${misfit}`);
    }
    const extra = [...values.keys()].find((hole) => !holes.has(hole));
    if (extra !== undefined) {
      throw refusal(name, `read ${readName}: expected holes of ${read.source}, got ${extra}`);
    }
  }
}

function refusal(probe: string, sentence: string): SondeError {
  return new SondeError("MANIFEST_INVALID", `probe ${probe}: ${sentence}`);
}
