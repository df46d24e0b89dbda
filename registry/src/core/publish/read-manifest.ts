import { type Manifest, SondeError } from "@sonde/schemas";
import { type ArchiveFile, readArchive } from "@sonde/trust/archive";
import { parseManifest } from "@sonde/trust/pack";
import type { Submission } from "./submission.ts";

/** Step 2: every header of the archive, before anything in it is looked at. */
export function readFiles({ archive }: Submission): ArchiveFile[] {
  return readArchive(archive);
}

/** Step 3: the manifest, whole. */
export function readManifest(files: readonly ArchiveFile[]): Manifest {
  const file = files.find(({ path }) => path === "pack.json");
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", "expected pack.json, got none");
  return parseManifest(file.bytes);
}

/** Markdown as the archive has it; what is no UTF-8 in it is replaced. */
export function readReadme(files: readonly ArchiveFile[]): string {
  const file = files.find(({ path }) => path === "README.md");
  return file === undefined ? "" : new TextDecoder().decode(file.bytes);
}
