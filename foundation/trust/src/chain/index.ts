export { chainRecord, EMPTY_HEAD, headAfter, verifyChain } from "./chain.ts";
