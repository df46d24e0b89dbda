export type { CertificateRequest } from "./certificate-authority.ts";
export {
  createTestSigstore,
  signKeylessSample,
  type KeylessBundle,
  type KeylessLies,
  type TestSigstore,
} from "./create-sigstore.ts";
export { serveSigstore, type ServedSigstore, type TestClaims } from "./serve-sigstore.ts";
