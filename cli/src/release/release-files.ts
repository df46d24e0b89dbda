import { createHash } from "node:crypto";
import { constants, type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import { RELEASE } from "@sonde/schemas/release";
import type { MeasuredArtefact, VerifiedRelease } from "@sonde/trust/release";

/** The signed manifest, which lies beside the files of its release. */
export const MANIFEST = "sonde-release.sigstore.json";

const MAX_SHOWN = 5;
/** `sonde-agent_0.1.0_amd64.deb`, as `npm run package` names its files. */
const ARTEFACT = /^([a-z][a-z0-9-]*)_([0-9][A-Za-z0-9.-]*)_(amd64|arm64)\.(deb|tar\.gz|oci\.tar)$/;

/** The files that a person means: all of a folder, or one. */
export type ReleaseFiles = { folder: string; files: string[]; isWhole: boolean };

/** @throws SondeError NOT_FOUND */
export async function findReleaseFiles(path: string): Promise<ReleaseFiles> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new SondeError("NOT_FOUND", `expected a release at ${path}, got none`);
  if (!found.isDirectory()) {
    return { folder: dirname(path), files: [basename(path)], isWhole: false };
  }
  const names = (await readdir(path)).filter((name) => name !== MANIFEST);
  return { folder: path, files: names.toSorted(), isWhole: true };
}

/**
 * Measures every file of a folder for the manifest of a release.
 *
 * @throws SondeError BAD_REQUEST for a folder with anything but files of this release
 */
export async function measureRelease({ folder, files }: ReleaseFiles): Promise<MeasuredArtefact[]> {
  const artefacts: MeasuredArtefact[] = [];
  for (const file of files) {
    const [, name, version, architecture] = ARTEFACT.exec(file) ?? [];
    if (name === undefined || version !== RELEASE) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected only packages of release ${RELEASE} in ${folder}, got ${JSON.stringify(file)}`,
      );
    }
    const measured = await measure(join(folder, file), Infinity);
    if (measured === null) {
      throw new SondeError("BAD_REQUEST", `expected a file, got another thing: ${file}`);
    }
    const arch = architecture === "arm64" ? "arm64" : "amd64";
    artefacts.push({ file, name, version, architecture: arch, ...measured });
  }
  if (artefacts.length > 0) return artefacts;
  throw new SondeError("BAD_REQUEST", `expected the packages of a release in ${folder}, got none`);
}

/**
 * Compares files with a verified manifest: each must be listed with these bytes, and of a whole
 * folder none may be missing.
 *
 * @throws SondeError RELEASE_MISMATCH naming what differs
 */
export async function demandListed(
  { folder, files, isWhole }: ReleaseFiles,
  { artefacts, version }: VerifiedRelease,
): Promise<void> {
  const problems: string[] = [];
  for (const file of files) {
    const listed = artefacts.find((artefact) => artefact.file === file);
    if (listed === undefined) problems.push(`${JSON.stringify(file)} is not of this release`);
    else problems.push(...(await compare(join(folder, file), listed)));
  }
  const missing = isWhole ? artefacts.filter(({ file }) => !files.includes(file)) : [];
  problems.push(...missing.map(({ file }) => `${file} is missing`));
  if (problems.length === 0) return;
  const more = problems.length > MAX_SHOWN ? `; and ${problems.length - MAX_SHOWN} more` : "";
  throw new SondeError(
    "RELEASE_MISMATCH",
    `expected exactly the files of release ${version}; ${problems.slice(0, MAX_SHOWN).join("; ")}${more}`,
  );
}

async function compare(path: string, listed: MeasuredArtefact): Promise<string[]> {
  const measured = await measure(path, listed.size);
  if (measured === null) return [`${listed.file} is no file`];
  if (measured.size !== listed.size) {
    return [`${listed.file} has ${measured.size} bytes in place of ${listed.size}`];
  }
  return measured.digest === listed.digest
    ? []
    : [`${listed.file} has other bytes: ${measured.digest}`];
}

/**
 * The size and the digest of a file; null for anything else. Follows no link and does not block on
 * a pipe. A file of another size than expected is not read to its end.
 */
async function measure(
  path: string,
  maxBytes: number,
): Promise<{ size: number; digest: Digest } | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let file: FileHandle;
  try {
    file = await open(path, flags);
  } catch (thrown) {
    // What O_NOFOLLOW refuses (open(2)).
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ELOOP") return null;
    throw thrown;
  }
  await using opened = file;
  const found = await opened.stat();
  if (!found.isFile()) return null;
  const hash = createHash("sha256");
  let size = 0;
  if (found.size <= maxBytes) {
    for await (const chunk of opened.createReadStream({ autoClose: false })) {
      const bytes = chunk as Buffer;
      size += bytes.length;
      if (size > maxBytes) break;
      hash.update(bytes);
    }
  }
  return { size: Math.max(size, found.size), digest: `sha256:${hash.digest("hex")}` };
}
