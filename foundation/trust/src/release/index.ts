export { buildReleaseStatement, type MeasuredArtefact } from "./release-statement.ts";
export { RELEASE_PUBLISHER, verifyRelease, type VerifiedRelease } from "./verify-release.ts";
