import { type AttestationSession, createAgentHolds, type WatchAgent } from "../agents/index.ts";
import type { AgentStatements } from "../evidence/index.ts";
import type { Hub } from "../hub.ts";
import { addAttestationRoutes } from "./edge/attestation-routes.ts";
import { createAttestationSession } from "./edge/attestation-session.ts";
import { createAttestationStore } from "./edge/attestation-store.ts";
import { type Attestations, createAttestations } from "./edge/attestations.ts";
import { createDriftPolicyStore } from "./edge/drift-policy-store.ts";
import { readAgentRelease } from "./edge/read-release.ts";

export { migrations } from "./migrations.ts";

/**
 * Installs attestation.
 *
 * @returns `watchAgent` asks the agent of each session for its statements; `describe` says what an agent
 *   stated last, beside what was approved
 */
export function installAttestation(
  hub: Hub,
  { statements }: { statements: Pick<AgentStatements, "keep"> },
): {
  watchAgent: WatchAgent;
  describe: Attestations["describe"];
} {
  const policy = createDriftPolicyStore(hub.sql);
  const attestations = createAttestations({
    ...{ ...hub, policy, statements },
    store: createAttestationStore(hub.sql, hub.directory),
    holds: createAgentHolds(hub),
    release: readAgentRelease(process.argv[1] ?? ""),
  });
  addAttestationRoutes(hub, attestations, policy);
  const watchAgent: WatchAgent = (agent, ask): AttestationSession =>
    createAttestationSession({
      ...{ ...hub, ask },
      stated: (statement, message) => attestations.stated(agent, statement, message),
      silent: (why) => attestations.silent(agent, why),
    });
  return { watchAgent, describe: (agent) => attestations.describe(agent) };
}
