import type { Server } from "node:https";
import type { HttpServer } from "@sonde/service";
import type { AssignablePacks } from "../catalog/index.ts";
import type { KeptResults } from "../evidence/index.ts";
import type { Hub } from "../hub.ts";
import type { RegistryFollower } from "../registry-log/index.ts";
import { addAgentRoutes } from "./edge/agent-routes.ts";
import { createAgentChanges } from "./edge/agent-changes.ts";
import { createAgentCopies } from "./edge/agent-copies.ts";
import { createAgentHolds } from "./edge/agent-holds.ts";
import type { AgentApprovals, WatchAgent } from "./edge/agent-session.ts";
import { createAuditWitnesses } from "./edge/audit-witness.ts";
import { createControlListener } from "./edge/control-listener.ts";
import { createEnrolListener } from "./edge/enrol-listener.ts";
import { createEnrolmentStore } from "./edge/enrolment-store.ts";
import { createAssignPack } from "./edge/assign-pack.ts";
import { addRollOutRoute } from "./edge/roll-out-route.ts";
import { createKeepWitness } from "./edge/keep-witness.ts";
import { createStateCheckpoint } from "./edge/state-checkpoint.ts";
import { addTokenRoutes } from "./edge/token-routes.ts";

export { migrations } from "./migrations.ts";
export { listVisiblePacks } from "./core/visible-packs.ts";
export { type AgentHolds, createAgentHolds } from "./edge/agent-holds.ts";
export { findWitnesses, readWitnesses } from "./edge/keep-witness.ts";
export { describeAgent } from "./edge/agent-routes.ts";
export type { AttestationSession, WatchAgent } from "./edge/agent-session.ts";

/** The agents' two listeners. They do not listen yet. */
export type AgentListeners = { enrol: HttpServer; control: Server };

/** Installs enrolment, the control listener and the desired state of agents. */
export function installAgents(
  hub: Hub,
  uses: {
    packs: AssignablePacks;
    registry: RegistryFollower;
    watchAgent: WatchAgent;
    approvals: AgentApprovals;
    results: Pick<KeptResults, "keep" | "keepsReads">;
  },
): AgentListeners {
  const { sql, directory } = hub;
  const agents = createAgentChanges(sql, directory);
  const enrolments = createEnrolmentStore(sql, directory);
  const holds = createAgentHolds(hub);
  const assign = createAssignPack(hub, agents, uses);
  addAgentRoutes(hub, agents, holds, enrolments, assign);
  addRollOutRoute(hub, assign);
  addTokenRoutes(hub, enrolments);
  const copies = createAgentCopies({ ...hub, holds, enrolments });
  const enrol = createEnrolListener({
    ...hub,
    enrolments,
    ...{ copies, holds },
    registryHead: () => uses.registry.report(),
  });
  const control = createControlListener({
    ...hub,
    agents,
    enrolments,
    copies,
    witnesses: createAuditWitnesses(hub),
    stateCheckpoint: createStateCheckpoint(hub.checkpoints),
    keepWitness: createKeepWitness(hub),
    watchAgent: uses.watchAgent,
    ...{ approvals: uses.approvals, results: uses.results },
    onRegistryHead: (agent, head) => uses.registry.compare(agent, head),
  });
  hub.onStop(() => enrol.close());
  hub.onStop(() => control.close());
  return { enrol, control: control.server };
}
