import { createPublicKey } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import type { AgentCertificate } from "@sonde/trust/ca";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

/**
 * Issues the next certificate of an agent's present key, as its newest generation. It is on record
 * before it opens anything.
 *
 * @param event with `detail` says in the record how the agent got it
 * @throws SondeError CERTIFICATE_REFUSED when the agent has another key by now
 */
export async function issueCertificate(
  {
    auditLog,
    keys,
    now,
    enrolments,
  }: Pick<Hub, "auditLog" | "keys" | "now"> & {
    enrolments: Pick<EnrolmentStore, "addCertificate">;
  },
  { agentId, name, publicKey }: { agentId: string; name: string | null; publicKey: string },
  event: "agent.renewed" | "agent.recovered",
  detail: AuditRecord["detail"] = {},
): Promise<AgentCertificate> {
  const authority = await keys.openAuthority();
  const issued = await authority.issueAgentCertificate({
    publicKey: createPublicKey(publicKey),
    hubId: keys.hubId,
    agentId,
  });
  const { serial, keyId, expiresAt } = issued;
  const at = now();
  await auditLog.append(
    buildAuditRecord(at, event, {
      agent: name,
      detail: { serial, keyId, expiresAt: expiresAt.toISOString(), ...detail },
    }),
  );
  await enrolments.addCertificate({ ...issued, agentId, publicKey, at });
  return issued;
}
