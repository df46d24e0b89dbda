import { SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import type { AuditLog } from "../../core/audit-log.ts";
import { buildAuditRecord } from "../../core/audit-record.ts";

export type DenialLog = { auditLog: AuditLog; now: () => Date };

/**
 * Refuses what a known key asked for and has no right to. Durable in the audit
 * log before it is answered: whoever tries doors with a stolen key is seen.
 *
 * @throws SondeError always: FORBIDDEN, or AUDIT_UNAVAILABLE
 */
export async function deny(
  { auditLog, now }: DenialLog,
  request: Pick<FastifyRequest, "principal" | "method" | "routeOptions">,
  reason: string,
): Promise<never> {
  await auditLog.append(
    buildAuditRecord(now(), "request.denied", {
      principal: request.principal.id,
      status: "denied",
      code: "FORBIDDEN",
      detail: { method: request.method, route: request.routeOptions.url ?? "", reason },
    }),
  );
  throw new SondeError("FORBIDDEN", reason);
}
