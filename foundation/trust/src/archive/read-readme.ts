import type { ArchiveFile } from "./archive-layout.ts";

/** Markdown as the archive has it; what is no UTF-8 in it is replaced. */
export function readReadme(files: readonly ArchiveFile[]): string {
  const file = files.find(({ path }) => path === "README.md");
  return file === undefined ? "" : new TextDecoder().decode(file.bytes);
}
