export {
  ARCHIVE_LAYOUT,
  MAX_ARCHIVE_BYTES,
  type ArchiveFile,
  type ArchivePath,
} from "./archive-layout.ts";
export { UNWRITTEN_README, demandOwnReadme } from "./demand-own-readme.ts";
export { archiveDigest, contentDigest, digestOf } from "./digests.ts";
export { readArchive } from "./read-archive.ts";
export { readBoundedFile } from "./read-bounded-file.ts";
export { readLoggedArchive } from "./read-logged-archive.ts";
export { readReadme } from "./read-readme.ts";
export { writeArchive } from "./write-archive.ts";
