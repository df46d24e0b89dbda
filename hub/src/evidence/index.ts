import { type AuditStore, createDroppedStore } from "../audit/index.ts";
import type { Hub } from "../hub.ts";
import { type AgentStatements, createAgentStatements } from "./edge/agent-statements.ts";
import { addEvidenceRoutes } from "./edge/evidence-routes.ts";
import { createEvidenceStore } from "./edge/evidence-store.ts";
import type { EvidenceSources } from "./edge/gather-evidence.ts";
import { createKeepPolicy, type KeepPolicy } from "./edge/keep-policy.ts";
import { type KeptResults, openKeptResults } from "./edge/kept-results.ts";

export type { AgentStatements } from "./edge/agent-statements.ts";
export type { KeepPolicy } from "./edge/keep-policy.ts";
export type { KeptResults } from "./edge/kept-results.ts";
export { migrations } from "./migrations.ts";

/**
 * Installs evidence: what is kept while calls are made, so that each can be shown later.
 *
 * @returns what other features hand over
 */
export function installEvidence(
  hub: Hub,
  uses: { auditStore: AuditStore } & Pick<EvidenceSources, "findWitnesses" | "readPackProof">,
): { keepPolicy: KeepPolicy; results: KeptResults; statements: AgentStatements } {
  const results = openKeptResults(hub);
  hub.onStop(() => results.close());
  const statements = createAgentStatements(hub.sql);
  const store = createEvidenceStore(hub.sql);
  const { signing } = hub.keys;
  const keepKeySet = () => void store.keepKeySet(signing.held()).catch(hub.report);
  keepKeySet();
  hub.onStop(signing.onChange(keepKeySet));
  addEvidenceRoutes(hub, {
    ...{ ...uses, results, statements },
    ...{ store, dropped: createDroppedStore(hub.sql) },
  });
  return {
    keepPolicy: createKeepPolicy(hub.sql),
    ...{ results, statements },
  };
}
