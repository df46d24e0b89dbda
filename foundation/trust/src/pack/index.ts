export {
  checkManifest,
  formatManifest,
  numberOfManifest,
  parseManifest,
} from "./check-manifest.ts";
export { diffPermissions, findPrevious, type PermissionDiff } from "./diff-permissions.ts";
export { inspectPack, type InspectedPack } from "./inspect-pack.ts";
export { keyIdOf } from "../envelope/index.ts";
export { parsePublisherKey } from "./publisher-key.ts";
export { MAX_BUNDLE_BYTES, STATEMENT_PAYLOAD_TYPE, buildStatement } from "./statement.ts";
export { demandTrusted } from "./demand-trusted.ts";
export {
  bytesOf,
  checkEngine,
  isVerifiedPack,
  verifyPack,
  type VerifiedPack,
  type VerifyPackRequest,
} from "./verify-pack.ts";
