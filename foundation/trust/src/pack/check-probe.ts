import { SondeError } from "@sonde/schemas/errors";
import {
  MAX_EACH,
  type Manifest,
  type ProbeManifest,
  type Read,
  type Source,
  checkValueSchema,
} from "@sonde/schemas/manifest";
import { AGENT_ARGUMENT, RESERVED_TOOLS, buildProbeId, toolNameOf } from "@sonde/schemas/names";
import { READ_DATA } from "@sonde/schemas/reads";
import {
  asksHosts,
  classifySource,
  effectiveCapability,
  explainLevel,
  findMisfit,
  takesFoundValues,
} from "@sonde/sources";

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
    const misused = findMisuse(manifest, probe, read, source);
    if (misused !== null) throw refusal(name, `read ${readName}, forEach: ${misused}`);
    for (const [hole, type] of holes) {
      if (hole === read.forEach?.hole) continue;
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

/** Most bytes that the reads for all values may take together, and that a text of values may have. */
const MAX_EACH_BYTES = 8 * 1024 * 1024;
const MAX_JSON_BYTES = 1024 * 1024;

/**
 * Returns why a read cannot be done for each of the values that another one finds, or null. The values
 * are the host's and chosen by nobody. So they may lead to nothing that leaves the host or does more
 * than look, and their number and all that they make the agent read is bounded here.
 */
function findMisuse(
  { sources }: Manifest,
  { reads }: ProbeManifest,
  { forEach, with: values = {} }: Read,
  source: Source,
): string | null {
  if (forEach === undefined) return null;
  const first = new Map(Object.entries(reads)).get(forEach.read);
  const finder = first && new Map(Object.entries(sources)).get(first.source);
  if (first === undefined || finder === undefined || first.forEach !== undefined) {
    return `expected a read of the probe that is done once, got ${forEach.read}`;
  }
  if (finder.samples !== undefined) return `expected one sample of ${forEach.read}, got several`;
  const steps = forEach.at.split(".");
  const where = findPlace(READ_DATA[finder.kind], steps);
  if (where === null) return `expected a value in what ${forEach.read} reads, got ${forEach.at}`;
  if (where === "in a text" && finder.maxBytes > MAX_JSON_BYTES) {
    return `expected at most ${MAX_JSON_BYTES} bytes of ${forEach.read}, got ${finder.maxBytes}`;
  }
  const hole = new Map(Object.entries(source.holes ?? {})).get(forEach.hole);
  if (hole === undefined || Object.hasOwn(values, forEach.hole)) {
    return `expected a hole of the source that nothing else fills, got ${forEach.hole}`;
  }
  if (!takesFoundValues(hole)) return `expected a hole for the name of a thing, got ${hole.type}`;
  if (asksHosts(source)) return "expected a source that stays on the host, got one that leaves it";
  const level = classifySource(source);
  if (level !== "observe") return `expected a source that only looks, got one that is ${level}`;
  const all = Object.values(reads).reduce((sum, read) => sum + (read.forEach?.atMost ?? 0), 0);
  if (all > MAX_EACH) return `expected at most ${MAX_EACH} values in a probe, got ${all}`;
  const bytes = forEach.atMost * (source.samples?.count ?? 1) * source.maxBytes;
  return bytes > MAX_EACH_BYTES
    ? `expected at most ${MAX_EACH_BYTES} bytes for all values, got ${bytes}`
    : null;
}

/** The members of a schema that are needed here. */
type Shape = { type?: string; properties?: Record<string, unknown>; items?: unknown };

/** Where a path through the data of a read leads, by the data's schema; null where there is no value. */
function findPlace(shape: Shape, [step, ...rest]: string[]): "a value" | "in a text" | null {
  if (step === undefined) {
    return ["string", "number", "integer"].includes(shape.type ?? "") ? "a value" : null;
  }
  if (shape.type === "string") return "in a text";
  const inner =
    step === "*" ? shape.items : new Map(Object.entries(shape.properties ?? {})).get(step);
  return inner === undefined ? null : findPlace(inner as Shape, rest);
}

function refusal(probe: string, sentence: string): SondeError {
  return new SondeError("MANIFEST_INVALID", `probe ${probe}: ${sentence}`);
}
