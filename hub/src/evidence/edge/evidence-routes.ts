import { Evidence } from "@sonde/schemas/evidence";
import { Uuid } from "@sonde/schemas/names";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { type EvidenceSources, gatherEvidence } from "./gather-evidence.ts";

/** Adds the route that gives the evidence of one call. That it was read is recorded. */
export function addEvidenceRoutes(hub: Hub, sources: EvidenceSources): void {
  const { app, auditLog, now } = hub;
  app.get(
    "/api/v1/calls/:callId/evidence",
    {
      config: { right: "audit.read", errors: ["NOT_FOUND", "AUDIT_INCONSISTENT"] },
      schema: {
        summary: "All that proves one call, as a file that is verified without this hub",
        params: Type.Object({ callId: Uuid }, { additionalProperties: false }),
        response: { 200: Evidence },
      },
    },
    async (request, reply) => {
      const { callId } = request.params;
      const principal = request.principal.subject.id;
      // Before it is read. The answer's record is durable by then too: both are written in order.
      await auditLog.append(
        buildAuditRecord(now(), "log.read", { principal, detail: { evidence: callId } }),
      );
      const evidence = await gatherEvidence(hub, sources, callId);
      reply.header("content-disposition", `attachment; filename="evidence-${callId}.json"`);
      return evidence;
    },
  );
}
