import { Evidence, JudgedEvidence } from "@sonde/schemas/evidence";
import { Uuid } from "@sonde/schemas/names";
import { verifyEvidence } from "@sonde/trust/evidence";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { type EvidenceSources, gatherEvidence } from "./gather-evidence.ts";

const CallParams = Type.Object({ callId: Uuid }, { additionalProperties: false });

/**
 * Adds the routes that give the evidence of one call, as a file and with what the verifier says of it.
 * That it was read is recorded.
 */
export function addEvidenceRoutes(hub: Hub, sources: EvidenceSources): void {
  const { app, auditLog, keys, now } = hub;

  async function read(principal: string, callId: string): Promise<Evidence> {
    // Before it is read. The answer's record is durable by then too: both are written in order.
    await auditLog.append(
      buildAuditRecord(now(), "log.read", { principal, detail: { evidence: callId } }),
    );
    return await gatherEvidence(hub, sources, callId);
  }

  app.get(
    "/api/v1/calls/:callId/evidence",
    {
      config: { right: "audit.read", errors: ["NOT_FOUND", "AUDIT_INCONSISTENT"] },
      schema: {
        summary: "All that proves one call, as a file that is verified without this hub",
        params: CallParams,
        response: { 200: Evidence },
      },
    },
    async ({ params, principal }, reply) => {
      const evidence = await read(principal.subject.id, params.callId);
      reply.header("content-disposition", `attachment; filename="evidence-${params.callId}.json"`);
      return evidence;
    },
  );

  app.get(
    "/api/v1/calls/:callId/evidence/verdict",
    {
      config: { right: "audit.read", errors: ["NOT_FOUND", "AUDIT_INCONSISTENT"] },
      schema: {
        summary: "The same file, and what the verifier says of it, by this hub's word",
        params: CallParams,
        response: { 200: JudgedEvidence },
      },
    },
    async ({ params, principal }) => {
      const evidence = await read(principal.subject.id, params.callId);
      const { sound, findings } = verifyEvidence(evidence);
      return { evidence, sound, findings, fingerprint: keys.fingerprint };
    },
  );
}
