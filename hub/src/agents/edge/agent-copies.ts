import { SondeError } from "@sonde/schemas/errors";
import type { Directory } from "../../directory/index.ts";
import type { Lease, Links } from "../../links/index.ts";
import { judgeCopy, type Shown } from "../core/judge-copy.ts";
import type { AgentHolds } from "./agent-holds.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

/**
 * Tells copies of one identity apart by the generation of the certificate that each shows. Two copies
 * lock the identity: both are refused until a person decides. A copy that came back older is held as
 * rolled back (identity rules 5 to 7).
 */
export function createAgentCopies({
  directory,
  links,
  holds,
  enrolments,
}: {
  directory: Pick<Directory, "agentById">;
  links: Pick<Links, "lease">;
  holds: Pick<AgentHolds, "hold">;
  enrolments: Pick<EnrolmentStore, "useCertificate" | "markStale">;
}) {
  const hold = async (agentId: string, kind: "locked" | "rolled-back", reason: string) => {
    const agent = directory.agentById(agentId);
    if (agent !== undefined) await holds.hold(agent, { kind, reason, by: "hub" });
  };
  const lock = async ({ agentId }: Shown, reason: string): Promise<SondeError> => {
    await hold(agentId, "locked", reason);
    return locked();
  };

  return {
    /** @throws SondeError AGENT_LOCKED */
    requireUnlocked({ agentId }: Shown): void {
      const agent = directory.agentById(agentId);
      if (agent?.holds.some(({ kind }) => kind === "locked")) throw locked();
    },
    /**
     * Takes the lease of the agent for the copy that shows this certificate.
     *
     * @throws SondeError as `Links.lease`; AGENT_LOCKED when this is a second copy
     */
    async lease(shown: Shown): Promise<Lease> {
      const verdict = judgeCopy(shown);
      if (verdict === "two-copies") {
        throw await lock(shown, "A newer certificate was used after an older one.");
      }
      try {
        return await links.lease(shown);
      } catch (thrown) {
        const isSecond = thrown instanceof SondeError && thrown.code === "CERTIFICATE_REFUSED";
        if (!isSecond || verdict !== "rolled-back" || shown.stale !== null) throw thrown;
        throw await lock(shown, "An older certificate was used while the agent was connected.");
      }
    },
    /** Holds an agent whose state is behind what the agent stated before. */
    rolledBack: (agentId: string, why: string): Promise<void> => hold(agentId, "rolled-back", why),
    /** Keeps what the copy that has the lease showed, before its session begins. */
    async keep(shown: Shown): Promise<void> {
      const verdict = judgeCopy(shown);
      if (verdict === "newer") await enrolments.useCertificate(shown.serial);
      if (verdict !== "rolled-back") return;
      await enrolments.markStale(shown);
      await hold(
        shown.agentId,
        "rolled-back",
        "It came back with an older certificate than it had: from a snapshot, or as a copy.",
      );
    },
  };
}
export type AgentCopies = ReturnType<typeof createAgentCopies>;

function locked(): SondeError {
  return new SondeError("AGENT_LOCKED", "two copies of this identity were seen");
}
