import type { AuditEntry } from "@sonde/schemas/audit";
import { type AuditLog, type Later, openAuditLog } from "./core/audit-log.ts";
import type { AuditStore } from "./edge/audit-store.ts";

export type { AuditLog } from "./core/audit-log.ts";
export { buildAuditRecord } from "@sonde/schemas/audit";
export { type Actors, createActors, nameActors } from "./core/name-actors.ts";
export { addAuditRoutes } from "./edge/audit-routes.ts";
export { addCheckpointRoutes, describeCheckpoint } from "./edge/checkpoint-routes.ts";
export {
  createLogReader,
  DEFAULT_FOUND,
  type FoundPart,
  type LogQuery,
  type LogReader,
} from "./edge/log-reader.ts";
export { createSubjects, type Subjects } from "./edge/subjects.ts";
export { type AuditStore, createAuditStore, type StoredCall } from "./edge/audit-store.ts";
export { type Checkpoints, openCheckpoints } from "./edge/checkpoints.ts";
export {
  createDroppedStore,
  type DroppedExtent,
  type DroppedStore,
  dropSegment,
  type Segment,
  type SegmentHashes,
} from "./edge/dropped-store.ts";
export { createOpenCalls, type OpenCalls } from "./edge/open-calls.ts";
export { explainMissingCall } from "./edge/explain-missing-call.ts";
export { readPeriod } from "./edge/read-wanted.ts";
export { migrations } from "./migrations.ts";

/** @param onBelated see `openAuditLog` */
export function openAudit(
  store: AuditStore,
  onBelated: (entry: AuditEntry) => void = () => undefined,
): Promise<AuditLog> {
  return openAuditLog(store, later, onBelated);
}

const later: Later = (ms, work) => {
  const timer = setTimeout(work, ms);
  // An outage may outlast the process.
  timer.unref();
  return () => clearTimeout(timer);
};
