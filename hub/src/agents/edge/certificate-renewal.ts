import { createPublicKey } from "node:crypto";
import { AGENT_CERTIFICATE_MS } from "@sonde/schemas/wire";
import type { Hub } from "../../hub.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

const CHECK_EVERY_MS = 3_600_000;

/** Renews one connected agent's certificate. Its lifetime is that of the session. */
export type Renewal = {
  /** Issues and sends the next certificate once half of the current one's lifetime is over. */
  renewWhenDue(): Promise<void>;
  stop(): void;
};

/**
 * Creates the renewal of one session. The next certificate is for the key that authenticated this
 * session. No signing request is needed, since the certificate is useless without that key.
 */
export function createRenewal(
  options: Pick<Hub, "keys" | "now" | "report"> & { enrolments: EnrolmentStore },
  agent: { agentId: string; publicKey: string; expiresAt: Date },
  send: (certificate: string) => void,
): Renewal {
  let { expiresAt } = agent;
  async function renewWhenDue(): Promise<void> {
    if (expiresAt.getTime() - options.now().getTime() > AGENT_CERTIFICATE_MS / 2) return;
    const authority = await options.keys.openAuthority();
    const issued = await authority.issueAgentCertificate({
      publicKey: createPublicKey(agent.publicKey),
      hubId: options.keys.hubId,
      agentId: agent.agentId,
    });
    await options.enrolments.addCertificate({ ...issued, agentId: agent.agentId });
    send(issued.certificate);
    expiresAt = issued.expiresAt;
  }
  const timer = setInterval(() => {
    renewWhenDue().catch(options.report);
  }, CHECK_EVERY_MS);
  timer.unref();
  return { renewWhenDue, stop: () => clearInterval(timer) };
}
