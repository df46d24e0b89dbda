export { EXPORT_END, encodeMember } from "./encode-member.ts";
export { createExportReader, type ExportReader } from "./export-reader.ts";
export {
  archiveMember,
  bundleMember,
  CHECKPOINT,
  entriesMember,
  type ExportMember,
  TRUSTED_ROOT,
} from "./layout.ts";
