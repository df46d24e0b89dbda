import type { AgentAttestation } from "@sonde/schemas/hub";
import type { HeldTool } from "../catalog/index.ts";
import type { HubPack, KnownAgent } from "../directory/index.ts";
import type { Hub } from "../hub.ts";
import { addApprovalRoutes } from "./edge/approval-routes.ts";
import { createApprovalStore } from "./edge/approval-store.ts";
import { createApprovals } from "./edge/approvals.ts";
import { createInbox } from "./edge/read-inbox.ts";

export { migrations } from "./migrations.ts";

/**
 * Installs what people decide at the hub: grants within what a host lets its hub grant, and the list of
 * what waits for them.
 *
 * @returns `saveStated` takes an agent's word, and `carryOver` is called when an agent should have
 *   another version
 */
export function installApprovals(
  hub: Hub,
  uses: {
    heldTools: () => Promise<HeldTool[]>;
    describeAttestation: (agent: KnownAgent) => Promise<AgentAttestation>;
  },
) {
  const store = createApprovalStore(hub.directory, hub.now);
  const approvals = createApprovals(hub, store);
  const readInbox = createInbox({ ...uses, directory: hub.directory, approvals });
  addApprovalRoutes(hub, approvals, readInbox);
  return {
    saveStated: (...said: Parameters<typeof store.saveStated>) => store.saveStated(...said),
    carryOver: (agent: KnownAgent, pack: HubPack) => approvals.carryOver(agent, pack),
  };
}
