export { attestTree } from "./attest-tree.ts";
export { buildAdmitProgram } from "./build-admit-program.ts";
export { buildEvidence, type EvidenceLies } from "./build-evidence.ts";
export { EVIDENCE_FAULTS, type EvidenceFault } from "./evidence-faults.ts";
export {
  buildIncomplete,
  EVIDENCE_LIES,
  type EvidenceLie,
  INCOMPLETE_EVIDENCE,
  type IncompleteEvidence,
} from "./evidence-lies.ts";
export { type SampleRegistry, startSampleRegistry } from "./sample-registry.ts";
export { createSampleLog, type SampleLog } from "./sample-log.ts";
export {
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  signSample,
  type SampleKey,
  type SampleLies,
  type SampleParts,
} from "./sample-pack.ts";
export { stretchesOf } from "./stretches-of.ts";
