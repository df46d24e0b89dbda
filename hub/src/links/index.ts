export type { AgentAnswer, AgentCall, AgentLink } from "./core/agent-link-port.ts";
export { createAgentLink, type SignedAnswer } from "./edge/agent-link.ts";
export type { Outcome, Target } from "./core/fan-out.ts";
export { type Asked, type Lease, type Links, openLinks } from "./edge/open-links.ts";
export { migrations } from "./migrations.ts";
