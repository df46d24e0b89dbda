export {
  type TokenIssuer,
  type TokenVerifier,
  type VerifiedToken,
  createTokenVerifier,
} from "./token-verifier.ts";
