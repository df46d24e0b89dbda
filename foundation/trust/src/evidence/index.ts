export { type EvidenceVerdict, verifyEvidence } from "./verify-evidence.ts";
