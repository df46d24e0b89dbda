export { chainRecord, EMPTY_HEAD, explainBreak, headAfter, verifyChain } from "./chain.ts";
