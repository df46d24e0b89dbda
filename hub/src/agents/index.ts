import type { Server } from "node:https";
import type { HttpServer } from "@sonde/service";
import type { AssignablePacks } from "../catalog/index.ts";
import type { Hub } from "../hub.ts";
import type { RegistryFollower } from "../registry-log/index.ts";
import { addAgentRoutes } from "./edge/agent-routes.ts";
import { createAgentChanges } from "./edge/agent-changes.ts";
import { createControlListener } from "./edge/control-listener.ts";
import { createEnrolListener } from "./edge/enrol-listener.ts";
import { createEnrolmentStore } from "./edge/enrolment-store.ts";
import { addTokenRoutes } from "./edge/token-routes.ts";

/** The agents' two listeners. They do not listen yet. */
export type AgentListeners = { enrol: HttpServer; control: Server };

/** Installs enrolment, the control listener and the desired state of agents. */
export function installAgents(
  hub: Hub,
  uses: { packs: AssignablePacks; registry: RegistryFollower },
): AgentListeners {
  const { sql, directory } = hub;
  const agents = createAgentChanges(directory);
  const enrolments = createEnrolmentStore(sql, directory);
  addAgentRoutes(hub, agents, uses.packs);
  addTokenRoutes(hub, enrolments);
  const enrol = createEnrolListener({
    ...hub,
    enrolments,
    registryHead: () => uses.registry.report(),
  });
  const control = createControlListener({
    ...hub,
    agents,
    enrolments,
    onRegistryHead: (agent, head) => uses.registry.compare(agent, head),
  });
  hub.onStop(() => enrol.close());
  hub.onStop(() => control.close());
  return { enrol, control: control.server };
}
