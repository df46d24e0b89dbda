import { AuditPage, AuditQuery, buildAuditRecord, readAuditQuery } from "@sonde/schemas/audit";
import type { Hub } from "../../hub.ts";
import type { AuditStore } from "./audit-store.ts";

/** Adds the route that reads the audit log. Each read is recorded in the log. */
export function addAuditRoutes({ app, auditLog, now }: Hub, store: AuditStore): void {
  app.get(
    "/api/v1/audit",
    {
      config: { right: "audit.read" },
      schema: {
        summary: "Entries of the audit log after one of them, oldest first",
        querystring: AuditQuery,
        response: { 200: AuditPage },
      },
    },
    async (request) => {
      const { afterSeq, limit } = readAuditQuery(request.query);
      await auditLog.append(
        buildAuditRecord(now(), "log.read", {
          principal: request.principal.subject.id,
          detail: { afterSeq, limit },
        }),
      );
      const entries = await store.read(afterSeq, limit);
      return { entries, head: auditLog.head() };
    },
  );
}
