export { type AgentComparison, compareAgentLog, type Difference } from "./compare-agent-log.ts";
export { demandGrowth, hubLogKey, hubLogLeaf, openHubCheckpoint } from "./hub-log.ts";
export {
  type HubLogVerdict,
  isSignedWitness,
  openAttested,
  verifyHubLog,
  type WitnessVerdict,
} from "./verify-hub-log.ts";
