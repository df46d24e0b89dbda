export { type EvidenceVerdict, type SignedRun, verifyEvidence } from "./verify-evidence.ts";
