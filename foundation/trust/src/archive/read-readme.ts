import type { ArchiveFile } from "./archive-layout.ts";

/** Returns the archive's README as Markdown. Replaces invalid UTF-8. */
export function readReadme(files: readonly ArchiveFile[]): string {
  const file = files.find(({ path }) => path === "README.md");
  return file === undefined ? "" : new TextDecoder().decode(file.bytes);
}
