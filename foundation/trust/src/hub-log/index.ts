export { type AgentComparison, compareAgentLog, type Difference } from "./compare-agent-log.ts";
export { type DroppedVerdict } from "./check-dropped.ts";
export { demandGrowth, hubLogKey, hubLogLeaf, openHubCheckpoint } from "./hub-log.ts";
export { firstOf, lastOf, LOG_SEGMENT, segmentOf } from "./log-segments.ts";
export { type HubLogVerdict, verifyHubLog, type WitnessVerdict } from "./verify-hub-log.ts";
