import type { Failure } from "@sonde/schemas/reads";
import { ERROR_TABLE, type ErrorCode, SondeError, toSondeError } from "@sonde/schemas/errors";
import { connectPinned } from "../enrol/pin-hub.ts";
import { requestRecovery } from "../enrol/request-identity.ts";
import { describeCertificate, type Identity } from "../store/identity.ts";

/** How long the agent waits after the hub refused it. The hub takes 5 refusals a minute. */
const REFUSED_MS = 60_000;
/** Refusals that are not the hub's. */
const NOT_REACHED: ReadonlySet<ErrorCode> = new Set([
  "HUB_UNREACHABLE",
  "HUB_UNTRUSTED",
  "CLOCK_WRONG",
]);

/**
 * Gets the agent's next certificate when the present one opens nothing any more: it has ended, or the
 * hub does not know it since the hub was restored from a backup.
 */
export type Recovery = {
  /**
   * Is called before each connection. Resolves when the certificate may open it, as far as this host
   * can tell.
   *
   * @throws SondeError why the certificate has ended and there is no next one
   */
  ensureCertificate(): Promise<void>;
  /** The hub refused a connection with the certificate. */
  rejected(): void;
  /** The hub took a connection with the certificate. */
  accepted(): void;
  /** Why the hub took no connection and gave no certificate; null while it does. */
  problem(): Failure | null;
};

/** @param options `recovered` keeps the certificate durably, and throws when it is unfit */
export function createRecovery(options: {
  identity: () => Identity;
  /** Of the hub's enrol listener; null when it is not known. */
  enrolPort: () => number | null;
  recovered: (certificate: string) => void;
  now: () => number;
}): Recovery {
  let problem: SondeError | null = null;
  let isRejected = false;
  let notBefore = 0;

  async function recover(): Promise<void> {
    const { key, ca, certificate, controlAddress } = options.identity();
    const port = options.enrolPort();
    if (port === null) {
      throw new SondeError("CERTIFICATE_REFUSED", "the hub never said where an agent comes back");
    }
    const host = new URL(`https://${controlAddress}`).hostname.replaceAll(/^\[|\]$/g, "");
    const socket = await connectPinned({ host, port }, ca);
    try {
      const { serial } = describeCertificate({ certificate });
      options.recovered(await requestRecovery(socket, { certificate, serial, key }));
    } finally {
      socket.destroy();
    }
  }

  return {
    async ensureCertificate() {
      const { endsAt } = describeCertificate(options.identity());
      const hasEnded = options.now() >= endsAt.getTime();
      if (!hasEnded && !isRejected) return;
      if (problem === null || options.now() >= notBefore) {
        try {
          await recover();
          problem = null;
          isRejected = false;
          return;
        } catch (thrown) {
          const { code, message } = toSondeError(thrown);
          // Whoever cannot be reached is tried again at the pace of reconnects.
          if (!NOT_REACHED.has(code)) notBefore = options.now() + REFUSED_MS;
          const what = hasEnded ? `ended at ${endsAt.toISOString()}` : "was refused";
          problem = new SondeError(
            code,
            `the certificate ${what}, and the hub gives no other: ${message}. ${ERROR_TABLE[code].hint}`,
          );
        }
      }
      // By a wrong clock nobody knows whether it has ended, and the hub is to see that clock.
      if (hasEnded && problem?.code !== "CLOCK_WRONG") throw problem;
    },
    rejected() {
      isRejected = true;
    },
    accepted() {
      problem = null;
      isRejected = false;
    },
    problem: () => problem && { code: problem.code, message: problem.message },
  };
}
