import { type KeyObject, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { agentUri, RecoverRequest, type RecoverResponse } from "@sonde/schemas/wire";
import { createRateLimit, createRefusalCounts, type HttpServer } from "@sonde/service";
import { isSignedBy, keyIdOf } from "@sonde/trust/envelope";
import type { Hub } from "../../hub.ts";
import type { HubKeys } from "../../keys/open-hub-keys.ts";
import type { AgentCopies } from "./agent-copies.ts";
import type { AgentHolds } from "./agent-holds.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";
import { issueCertificate } from "./issue-certificate.ts";

/** Not that of enrolment: a proof for the one is none for the other. */
const EXPORTER_LABEL = "EXPORTER-sonde-recover";
const EXPORTER_BYTES = 32;

/** Refusals a minute of one address, and recoveries a minute of one certificate. */
const PER_MINUTE = 5;

type RecoveryOptions = Pick<Hub, "auditLog" | "directory" | "keys" | "now" | "report"> & {
  enrolments: Pick<EnrolmentStore, "findRecoverable" | "isListed" | "addCertificate">;
  copies: AgentCopies;
  holds: Pick<AgentHolds, "restrictUntilAttested">;
};

/**
 * Adds the route by which an agent comes back whose certificate opens nothing any more.
 *
 * @param takeChallenge gives the challenge of a connection, once
 */
export function addRecoveryRoute(
  app: HttpServer,
  options: RecoveryOptions,
  takeChallenge: (socket: Socket) => string | undefined,
): void {
  const limit = () =>
    createRateLimit({ perMinute: PER_MINUTE, atOnce: PER_MINUTE }, () => options.now().getTime());
  // Many agents may come back from one address at once, so only refusals count against it.
  const refused = limit();
  const visits = limit();
  const refusals = createRefusalCounts({ event: "agent.refused", ...options });
  app.addHook("onClose", () => refusals.close());
  // The proof in the body authenticates the request.
  const schema = { body: RecoverRequest };
  app.post(
    "/enrol/recover",
    { config: { right: "anybody" }, schema },
    async ({ body, ip, raw: { socket } }, reply) => {
      const challenge = takeChallenge(socket);
      const shown = readCertificate(body.certificate, options.keys);
      if (refused.waitMs(ip) > 0 || visits.take(shown?.serial ?? "none") > 0) {
        refusals.add(ip, "TOO_MANY_ATTEMPTS");
        throw new SondeError("TOO_MANY_ATTEMPTS", "expected at most 5 attempts a minute, got more");
      }
      try {
        if (shown === null || !isProven(shown, body.proof, socket, challenge)) throw refuse();
        return await reply.code(201).send(await recoverAgent(options, shown));
      } catch (thrown) {
        refused.take(ip);
        const name = shown === null ? undefined : options.directory.agentById(shown.agentId)?.name;
        refusals.add(ip, toSondeError(thrown).code, name);
        throw thrown;
      }
    },
  );
}

/** A certificate of this hub's CA for one of its agents. */
type OwnCertificate = { serial: string; agentId: string; key: KeyObject; endsAt: Date };

function readCertificate(
  pem: string,
  { authority, hubId }: Pick<HubKeys, "authority" | "hubId">,
): OwnCertificate | null {
  try {
    const certificate = new X509Certificate(pem);
    const { publicKey: key, serialNumber, subjectAltName = "", validToDate } = certificate;
    const anyAgent = `URI:${agentUri(hubId, "")}`;
    const isOwn = certificate.verify(new X509Certificate(authority).publicKey);
    if (!isOwn || !subjectAltName.startsWith(anyAgent)) return null;
    const agentId = subjectAltName.slice(anyAgent.length);
    return { serial: serialNumber.toLowerCase(), agentId, key, endsAt: validToDate };
  } catch {
    // The text is not a certificate.
    return null;
  }
}

function isProven(
  { key, serial }: OwnCertificate,
  proof: string,
  socket: Socket,
  challenge: string | undefined,
): boolean {
  if (challenge === undefined || !(socket instanceof TLSSocket)) return false;
  const exporter = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  const lines = ["sonde-recover-v1", challenge, serial, exporter.toString("base64")];
  return isSignedBy(key, Buffer.from(lines.join("\n")), Buffer.from(proof, "base64"));
}

/**
 * Gives an agent the next certificate when its last one has ended, or is not on the allow list of a
 * hub that was restored from an older backup. It proved that it has the key, on this TLS session. The
 * generation of its last certificate tells copies apart as on every connection (identity rule 5).
 *
 * @throws SondeError CERTIFICATE_REFUSED, AGENT_LOCKED
 */
async function recoverAgent(
  options: RecoveryOptions,
  shown: OwnCertificate,
): Promise<RecoverResponse> {
  const { enrolments, copies } = options;
  const isListed = await enrolments.isListed(shown.serial);
  if (!isListed) await relist(options, shown);
  const found = await enrolments.findRecoverable(shown.serial, options.now());
  if (found === null) throw refuse();
  copies.requireUnlocked(found);
  // While it has the lease, no other copy connects.
  const lease = await copies.lease(found);
  try {
    await copies.keep(found);
    const agent = options.directory.agentById(found.agentId);
    if (agent !== undefined) await options.holds.restrictUntilAttested(agent);
    const { certificate } = await issueCertificate(
      options,
      { ...found, name: agent?.name ?? null },
      "agent.recovered",
      { after: found.serial, wasListed: isListed, ended: found.expiresAt.toISOString() },
    );
    return { certificate };
  } finally {
    await lease.release().catch(options.report);
  }
}

/**
 * Puts a certificate of an agent's present key on the allow list that this hub must have issued, and
 * does not know: it issued it after the backup from which it was restored. Rows of revoked
 * certificates stay as long as a recovery is possible, and those of a revoked agent's key match no
 * agent. The store forgets at once what ended too long ago.
 *
 * @throws SondeError CERTIFICATE_REFUSED when its agent has another key by now
 */
async function relist(
  { enrolments, now }: RecoveryOptions,
  { serial, agentId, key, endsAt: expiresAt }: OwnCertificate,
): Promise<void> {
  const at = now();
  const publicKey = key.export({ type: "spki", format: "pem" }).toString();
  await enrolments.addCertificate({
    serial,
    agentId,
    publicKey,
    keyId: keyIdOf(key),
    expiresAt,
    at,
  });
}

/** Unknown, revoked, ended long ago and unproven get the same answer. */
function refuse(): SondeError {
  return new SondeError(
    "CERTIFICATE_REFUSED",
    "expected proof of the key of a certificate that is in force or ended within 30 days, got none",
  );
}
