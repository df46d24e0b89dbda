export { canonicalJson, chainRecord, EMPTY_HEAD, headAfter, verifyChain } from "./chain.ts";
