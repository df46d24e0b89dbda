export { type AgentComparison, compareAgentLog, type Difference } from "./compare-agent-log.ts";
export { demandGrowth, hubLogKey, hubLogLeaf, openHubCheckpoint } from "./hub-log.ts";
export { firstOf, lastOf, segmentOf } from "./log-segments.ts";
export { type HubLogVerdict, verifyHubLog, type WitnessVerdict } from "./verify-hub-log.ts";
