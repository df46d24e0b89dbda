export { type EvidenceFinding, type EvidenceVerdict, verifyEvidence } from "./verify-evidence.ts";
