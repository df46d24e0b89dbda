import { type Manifest, SondeError, buildProbeId, checkValueSchema } from "@sonde/schemas";
import { findMisfit } from "./hole-value.ts";

/** MCP clients refuse longer tool names. */
const MAX_TOOL_NAME = 64;

/**
 * The rules for one probe that its shape cannot say: schemas within the
 * vocabulary, every read a real source with each hole filled, and a global name
 * that fits.
 *
 * @throws SondeError MANIFEST_INVALID
 */
export function checkProbe(manifest: Manifest, name: string): void {
  const probe = new Map(Object.entries(manifest.probes)).get(name);
  if (probe === undefined) throw refusal(name, "expected a probe, got none");
  checkValueSchema(probe.params, "params");
  checkValueSchema(probe.result, "result");
  // A `/` becomes two characters in the tool's name.
  const id = buildProbeId(manifest.name, name);
  const toolLength = id.replace("/", "__").length;
  if (toolLength > MAX_TOOL_NAME) {
    throw refusal(name, `expected a tool name of ${MAX_TOOL_NAME} characters, got ${toolLength}`);
  }
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
