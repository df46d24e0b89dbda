import { readFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import path from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, parseManifestShape } from "@sonde/schemas/manifest";
import { type Capability, type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type Failure } from "@sonde/schemas/reads";
import { type SignerPolicy } from "@sonde/schemas/trust";
import { type ArchiveFile, archiveDigest, writeArchive } from "@sonde/trust/archive";
import { deriveRequires, effectiveCapability } from "@sonde/sources";
import { checkManifest, formatManifest, numberOfManifest, verifyPack } from "@sonde/trust/pack";
import type { PackDefinition } from "../author/index.ts";
import { openGuestProcess } from "../guest-process/open-guest-process.ts";
import { bundlePack, type PackBundle } from "./bundle-pack.ts";

export type BuiltPack = {
  /** Bytes of the .tgz. The same sources always give the same bytes. */
  archive: Uint8Array;
  digest: Digest;
  /** `PACK-VERSION.tgz` */
  fileName: string;
  manifest: Manifest;
  files: readonly ArchiveFile[];
  /** Probe name -> the level that its sources need, whatever its label says. */
  capabilities: ReadonlyMap<string, Capability>;
};

const DESCRIBE_TIMEOUT_MS = 5000;

/**
 * Builds the archive of a pack's folder: `src/pack.ts`, `README.md`, `LICENSE`. The manifest holds
 * what the code declares when evaluated in the isolate, plus `requires`, derived from its sources.
 * The archive has passed every check of a verifier except the signature.
 *
 * @throws SondeError BUILD_FAILED (with file and line), MANIFEST_INVALID, CODE_REFUSED,
 *   ARCHIVE_INVALID
 */
export async function buildPack(folder: string): Promise<BuiltPack> {
  // Sequential, so that a folder with several errors always reports the same one first.
  const readme = await readMandatory(folder, "README.md");
  const license = await readMandatory(folder, "LICENSE");
  const bundle = await bundlePack(folder);
  const manifest = buildManifest(await describePack(bundle));
  const files: ArchiveFile[] = [
    { path: "LICENSE", bytes: license },
    { path: "README.md", bytes: readme },
    { path: "index.js", bytes: Buffer.from(bundle.code) },
    { path: "pack.json", bytes: Buffer.from(formatManifest(manifest)) },
  ];
  const archive = writeArchive(files);
  await verifyPack({ archive, bundle: null, policy: UNSIGNED, origin: "local-folder" });
  const [, shortName] = manifest.name.split("/");
  return {
    archive,
    digest: archiveDigest(archive),
    fileName: `${shortName}-${manifest.version}.tgz`,
    manifest,
    files,
    capabilities: new Map(
      Object.keys(manifest.probes).map((probe) => [probe, effectiveCapability(manifest, probe)]),
    ),
  };
}

/** For the self-check only: nothing is signed yet. */
const UNSIGNED: SignerPolicy = {
  publishers: {},
  allowUnsignedPacks: true,
};

async function readMandatory(folder: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(path.join(folder, name));
  } catch (cause) {
    throw new SondeError("BUILD_FAILED", `expected a readable ${name} in ${folder}, got none`, {
      cause,
    });
  }
}

async function describePack(bundle: PackBundle): Promise<PackDefinition> {
  const guest = openGuestProcess({ code: bundle.code });
  try {
    const answer = await guest.describe(DESCRIBE_TIMEOUT_MS);
    if (!answer.ok) throw new SondeError("BUILD_FAILED", locate(answer.failure, bundle.sourceMap));
    const definition = parseJson(answer.result, "the pack's definition", "BUILD_FAILED");
    return definition as PackDefinition;
  } finally {
    guest.close();
  }
}

/** Replaces a position in the bundle by the position in the author's file. */
function locate({ message }: Failure, sourceMap: string): string {
  const found = /^(.*) \(index\.js:(\d+):(\d+)\)$/s.exec(message);
  if (found === null) return `src/pack.ts: ${message}`;
  const [, said, line, column] = found;
  const map = new SourceMap(JSON.parse(sourceMap) as ConstructorParameters<typeof SourceMap>[0]);
  const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
  if (!("originalSource" in entry)) return `src/pack.ts: ${said}`;
  return `${entry.originalSource}:${entry.originalLine + 1}: ${said}`;
}

/** Sorted for a human reader. */
function buildManifest(definition: PackDefinition): Manifest {
  const { name, version, description, license, repository, engines } = definition;
  const { groups, sources, probes, runbook } = definition;
  const identity = { name, version, description, license, repository, engines };
  const asked = { probes, ...(runbook === undefined ? {} : { runbook }) };
  const nothing = { groups, commands: [], files: [], sockets: [] };
  // The shape first: requirements can be derived only from sources of a known form.
  const shaped = parseManifestShape({
    ...{ manifest: 1, ...identity },
    ...{ sources, requires: nothing, ...asked },
  });
  const requires = { groups, ...deriveRequires(shaped.sources) };
  const reads = Object.values(shaped.probes).flatMap((probe) => Object.values(probe.reads));
  const manifest = numberOfManifest(reads);
  return checkManifest({ manifest, ...identity, sources, requires, ...asked });
}
