export {
  type AdmitProgramRequest,
  AdmitReply,
  AdmitRequest,
  AdmittedPack,
  CheckReply,
  CheckRequest,
  CheckedPack,
  FollowReply,
  FollowRequest,
  FollowedEntry,
  FollowedLog,
  LogPlace,
  VerifiedRecord,
  parseAdmitProgramRequest,
  parseAdmitReply,
  parseCheckReply,
  parseFollowReply,
  parseFollowedEntry,
  parseVerifiedRecord,
} from "./admit.ts";
export {
  PackLogProof,
  PackProof,
  parseRecordedPack,
  parseSignedBundle,
  type RecordedPack,
} from "./pack-proof.ts";
export { PACK_PREDICATE_TYPE, PackStatement, parsePackStatement } from "./pack-statement.ts";
export {
  RELEASE_PREDICATE_TYPE,
  ReleaseArtefact,
  ReleaseStatement,
  parseReleaseStatement,
} from "./release-statement.ts";
export { Signer, describeSigner, markUnsigned } from "./signer.ts";
export {
  type FollowedRegistry,
  type RegistryPlace,
  LogKeyText,
  SignerPolicy,
  TrustPolicy,
  TrustedIdentity,
  TrustedSigners,
  parseSignerPolicy,
  parseTrustPolicy,
  parseTrustedIdentity,
  parseTrustedRoot,
  pickPlace,
  pickRegistry,
} from "./trust-policy.ts";
export { TrustedRoot } from "./trusted-root.ts";
