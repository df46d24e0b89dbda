export type { EvidenceFinding } from "./findings.ts";
export { type EvidenceVerdict, verifyEvidence } from "./verify-evidence.ts";
