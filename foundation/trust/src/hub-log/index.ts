export { type AgentComparison, compareAgentLog, type Difference } from "./compare-agent-log.ts";
export { checkStretch, type Stretch } from "./check-stretch.ts";
export {
  type HubLogVerdict,
  readSignedWitness,
  openAttested,
  verifyHubLog,
  type WitnessVerdict,
} from "./verify-hub-log.ts";
export { firstOf, lastOf, segmentOf } from "./log-segments.ts";
export { demandGrowth, hubLogKey, hubLogLeaf, hubLogName, openHubCheckpoint } from "./hub-log.ts";
export type { CosignatureVerdict } from "./read-cosignatures.ts";
