import { SondeError } from "@sonde/schemas/errors";
import {
  type Manifest,
  type Read,
  type Requires,
  SOURCE_KINDS,
  SQL_ENGINES,
  parseManifestShape,
} from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import { hasInvisible } from "@sonde/schemas/plain-text";
import { checkRunbook } from "@sonde/runbooks";
import semver from "semver";
import { checkProbe } from "./check-probe.ts";
import { checkSource, deriveRequires, listNeededGroups } from "@sonde/sources";

// More than any manifest needs (a result schema has at most MAX_VALUE_DEPTH levels),
// and few enough that no recursive check overflows the stack.
const MAX_NESTING = 40;

/**
 * Checks a manifest completely: its schema, and every rule that spans fields.
 *
 * @param value the parsed JSON of a pack.json
 * @throws SondeError MANIFEST_INVALID, REQUIRES_MISMATCH, or PACK_NEEDS_NEWER_AGENT for a
 *   manifest version or source kind that is not known here
 */
export function checkManifest(value: unknown): Manifest {
  checkNesting(value, 0);
  refuseNewerThings(value);
  const manifest = parseManifestShape(value);
  if (semver.validRange(manifest.engines.agent) === null) {
    throw invalid(`engines.agent: expected a version range, got ${manifest.engines.agent}`);
  }
  if (semver.valid(manifest.version) !== manifest.version) {
    throw invalid(`version: expected a semantic version, got ${manifest.version}`);
  }
  for (const [name, source] of Object.entries(manifest.sources)) checkSource(name, source);
  for (const name of Object.keys(manifest.probes)) checkProbe(manifest, name);
  checkRunbook(manifest);
  checkNumber(manifest);
  checkRequires(manifest);
  return manifest;
}

/** Formats a manifest as build writes it: indented by two blanks, with a newline at the end. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * Reads the bytes of a pack.json. They must be exactly what `formatManifest` writes. So
 * no key occurs twice, and a person reads the same manifest as every parser.
 *
 * @throws SondeError as checkManifest
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const manifest = checkManifest(parseJson(bytes, "pack.json", "MANIFEST_INVALID"));
  if (!Buffer.from(formatManifest(manifest), "utf8").equals(bytes)) {
    throw invalid("expected the JSON text that build writes, got another spelling");
  }
  return manifest;
}

/** A release that does not know `forEach` refuses the number 2 with PACK_NEEDS_NEWER_AGENT. */
function checkNumber({ manifest, probes }: Manifest): void {
  const reads = Object.values(probes).flatMap((probe) => Object.values(probe.reads));
  const expected = numberOfManifest(reads);
  if (manifest !== expected) throw invalid(`manifest: expected ${expected}, got ${manifest}`);
}

/** The number of a manifest whose probes have these reads. */
export function numberOfManifest(reads: readonly Read[]): Manifest["manifest"] {
  return reads.some(({ forEach }) => forEach !== undefined) ? 2 : 1;
}

function checkRequires({ requires, sources }: Manifest): void {
  for (const group of listNeededGroups(sources)) {
    if (!requires.groups.includes(group)) {
      throw invalid(`expected the group ${group}, which its sources need, got none`);
    }
  }
  const derived: Requires = { groups: requires.groups, ...deriveRequires(sources) };
  // Groups are declared; every other list is derived, also one that a later kind adds. A list may be
  // in one of them only.
  for (const key of Object.keys({ ...requires, ...derived }) as (keyof Requires)[]) {
    const expected = JSON.stringify(derived[key]);
    const got = JSON.stringify(requires[key]);
    if (expected !== got) {
      throw new SondeError(
        "REQUIRES_MISMATCH",
        `requires.${key}: expected ${expected ?? "none"} from the sources, got ${got ?? "none"}`,
      );
    }
  }
}

function refuseNewerThings(value: unknown): void {
  if (!isObject(value)) return;
  const { manifest, sources } = value;
  if (typeof manifest === "number" && manifest > 2) {
    throw new SondeError("PACK_NEEDS_NEWER_AGENT", `expected manifest 1 or 2, got ${manifest}`);
  }
  for (const source of isObject(sources) ? Object.values(sources) : []) {
    const kind = isObject(source) ? source["kind"] : undefined;
    if (typeof kind === "string" && !(SOURCE_KINDS as readonly string[]).includes(kind)) {
      const known = SOURCE_KINDS.join(", ");
      throw new SondeError(
        "PACK_NEEDS_NEWER_AGENT",
        `expected a source kind of ${known}, got ${JSON.stringify(kind.slice(0, 40))}`,
      );
    }
    const engine = isObject(source) ? source["engine"] : undefined;
    if (kind === "sql" && typeof engine === "string" && !isKnownEngine(engine)) {
      throw new SondeError(
        "PACK_NEEDS_NEWER_AGENT",
        `expected a database of ${SQL_ENGINES.join(", ")}, got ${JSON.stringify(engine.slice(0, 40))}`,
      );
    }
  }
}

function isKnownEngine(engine: string): boolean {
  return (SQL_ENGINES as readonly string[]).includes(engine);
}

/** Limits the depth. Refuses invisible characters and names that every object inherits. */
function checkNesting(value: unknown, depth: number): void {
  if (depth > MAX_NESTING) throw invalid(`expected at most ${MAX_NESTING} levels, got more`);
  // A person approves what the manifest shows, so no character may be invisible or reorder the text
  // (attack class 37).
  if (typeof value === "string" && hasInvisible(value)) {
    throw invalid("expected text without control, direction or other invisible characters");
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (!Array.isArray(value) && Object.hasOwn(Object.prototype, key)) {
      throw invalid(`expected another name than ${key}`);
    }
    checkNesting(child, depth + 1);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(sentence: string): SondeError {
  return new SondeError("MANIFEST_INVALID", `pack.json: ${sentence}`);
}
