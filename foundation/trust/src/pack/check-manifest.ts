import { SondeError } from "@sonde/schemas/errors";
import {
  type Manifest,
  type Requires,
  SOURCE_KINDS,
  parseManifestShape,
} from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import semver from "semver";
import { checkProbe } from "./check-probe.ts";
import { checkSource, deriveRequires } from "@sonde/sources";

// More than any manifest needs (a result schema has at most MAX_VALUE_DEPTH levels),
// and few enough that no recursive check overflows the stack.
const MAX_NESTING = 40;

// A person approves what the manifest shows. So no character may be invisible or reorder
// the text (attack class 37). Private-use characters and lone surrogates are refused too.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/u;

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

function checkRequires({ requires, sources }: Manifest): void {
  const derived: Requires = { groups: requires.groups, ...deriveRequires(sources) };
  // Groups are declared; every other list is derived, also one that a later kind adds.
  for (const key of Object.keys(derived) as (keyof Requires)[]) {
    const expected = JSON.stringify(derived[key]);
    const got = JSON.stringify(requires[key]);
    if (expected !== got) {
      throw new SondeError(
        "REQUIRES_MISMATCH",
        `requires.${key}: expected ${expected} from the sources, got ${got}`,
      );
    }
  }
}

function refuseNewerThings(value: unknown): void {
  if (!isObject(value)) return;
  const { manifest, sources } = value;
  if (typeof manifest === "number" && manifest > 1) {
    throw new SondeError("PACK_NEEDS_NEWER_AGENT", `expected manifest 1, got ${manifest}`);
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
  }
}

/** Limits the depth. Refuses invisible characters and names that every object inherits. */
function checkNesting(value: unknown, depth: number): void {
  if (depth > MAX_NESTING) throw invalid(`expected at most ${MAX_NESTING} levels, got more`);
  if (typeof value === "string" && INVISIBLE.test(value)) {
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
