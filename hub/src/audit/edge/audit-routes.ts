import { AuditPage } from "@sonde/schemas/hub";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import { buildAuditRecord } from "../core/audit-record.ts";
import type { AuditStore } from "./audit-store.ts";

const MAX_PAGE = 1_000;
/** Query values are strings and the schema coerces nothing, so patterns check the digits. */
const AuditQuery = Type.Object(
  {
    afterSeq: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })),
    limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,4}$" })),
  },
  { additionalProperties: false },
);

/** Adds the route that reads the audit log. Each read is recorded in the log. */
export function addAuditRoutes({ app, auditLog, now }: Hub, store: AuditStore): void {
  app.get(
    "/api/v1/audit",
    {
      config: { right: "audit.read" },
      schema: { querystring: AuditQuery, response: { 200: AuditPage } },
    },
    async (request) => {
      const afterSeq = Number(request.query.afterSeq ?? 0);
      const limit = Math.min(Number(request.query.limit ?? 100), MAX_PAGE);
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
