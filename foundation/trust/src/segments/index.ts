export { describeDropped } from "./dropped.ts";
export { findEntry } from "./find-entry.ts";
export {
  MAX_LINE_BYTES,
  listSegments,
  readEntries,
  readLinesFrom,
  requireSegments,
  segmentName,
} from "./segment-files.ts";
export { type AuditVerdict, type Bad, verifySegments } from "./verify-segments.ts";
