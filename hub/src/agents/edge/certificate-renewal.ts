import type { AgentCertificate } from "@sonde/trust/ca";
import type { Hub } from "../../hub.ts";
import { renewalDelayMs } from "../core/renewal-time.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";
import { issueCertificate } from "./issue-certificate.ts";

/** The hub's clock may be set while a timer runs, so the time is looked at this often. */
const LOOK_MS = 10 * 60_000;
const RETRY_MS = 1_000;

/** Renews one connected agent's certificate. Its lifetime is that of the session. */
export type Renewal = {
  /**
   * The agent takes a certificate from now on: its next one is issued and sent around half of the
   * present one's lifetime, and so on.
   */
  begin(): void;
  /**
   * The agent says that it keeps this certificate durably. The session lasts as long as that one, and
   * those before it are stale. An agent that never says so, as those of earlier releases, comes back
   * with the new certificate when the present one ends.
   */
  taken(serial: string): void;
  stop(): void;
};

/**
 * Creates the renewal of one session. The next certificate is for the key that authenticated this
 * session. No signing request is needed, since the certificate is useless without that key.
 */
export function createRenewal(
  options: Pick<Hub, "auditLog" | "keys" | "now" | "report"> & { enrolments: EnrolmentStore },
  agent: { agentId: string; name: string; publicKey: string; expiresAt: Date },
  tell: {
    send: (certificate: string) => void;
    /** The certificate has expired and there is no next one: the session must end. */
    expired: () => void;
  },
): Renewal {
  let { expiresAt } = agent;
  /** The last certificate of this session that was sent and not yet taken. */
  let sent: AgentCertificate | null = null;
  let stopped = false;
  let due: NodeJS.Timeout | undefined;
  const leftMs = () => expiresAt.getTime() - options.now().getTime();
  let expiry = armExpiry();

  function armExpiry(): NodeJS.Timeout {
    return setTimeout(tell.expired, leftMs()).unref();
  }

  function renewAt(dueAt: number): void {
    if (stopped) return;
    const waitMs = dueAt - options.now().getTime();
    if (waitMs > 0) {
      due = setTimeout(() => renewAt(dueAt), Math.min(waitMs, LOOK_MS)).unref();
      return;
    }
    issue().catch((thrown: Error) => {
      options.report(thrown);
      renewLater(RETRY_MS);
    });
  }

  function renewLater(atLeastMs = 0): void {
    const waitMs = Math.max(atLeastMs, renewalDelayMs(leftMs(), Math.random()));
    renewAt(options.now().getTime() + waitMs);
  }

  async function issue(): Promise<void> {
    const issued = await issueCertificate(options, agent, "agent.renewed");
    sent = issued;
    tell.send(issued.certificate);
  }

  async function take(taken: AgentCertificate): Promise<void> {
    await options.enrolments.useCertificate(taken.serial);
    expiresAt = taken.expiresAt;
    clearTimeout(expiry);
    if (stopped) return;
    expiry = armExpiry();
    renewLater();
  }

  return {
    begin: () => renewLater(),
    taken(serial) {
      if (sent?.serial !== serial) return;
      const taken = sent;
      sent = null;
      take(taken).catch(options.report);
    },
    stop() {
      stopped = true;
      clearTimeout(due);
      clearTimeout(expiry);
    },
  };
}
