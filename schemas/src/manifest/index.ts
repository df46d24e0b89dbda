export {
  DirectorySource,
  ExecSource,
  FileSource,
  FilesystemSource,
  Hole,
  HoleValue,
  HttpSource,
  Manifest,
  ProbeManifest,
  Read,
  Requires,
  SOURCE_KINDS,
  Source,
  Template,
  parseManifestShape,
  type SourceKind,
} from "./manifest.ts";
export { MAX_VALUE_DEPTH, checkValueSchema, type ValueSchema } from "./value-schema.ts";
