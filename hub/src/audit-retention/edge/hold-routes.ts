import { randomUUID } from "node:crypto";
import {
  AuditHold,
  AuditHoldList,
  CreateAuditHold,
  MAX_AUDIT_HOLDS,
} from "@sonde/schemas/audit-hold";
import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import { Type } from "typebox";
import { buildAuditRecord, readPeriod } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { HoldStore } from "./hold-store.ts";

/** Adds the routes that list, make and end legal holds. Each act is recorded before it is done. */
export function addHoldRoutes(
  { app, auditLog, now }: Pick<Hub, "app" | "auditLog" | "now">,
  store: HoldStore,
): void {
  const list = async () => ({ holds: await store.list() });

  app.get(
    "/api/v1/audit/holds",
    {
      config: { right: "audit.read" },
      schema: { summary: "The legal holds on the audit log", response: { 200: AuditHoldList } },
    },
    async ({ principal }) => {
      await auditLog.append(
        buildAuditRecord(now(), "log.read", {
          ...{ principal: principal.subject.id, detail: { holds: true } },
        }),
      );
      return await list();
    },
  );

  app.post(
    "/api/v1/audit/holds",
    {
      config: { right: "audit.hold" },
      schema: {
        summary: "Makes a legal hold: no content of what fits is dropped while it is there",
        body: CreateAuditHold,
        response: { 201: AuditHold },
      },
    },
    async ({ body, principal }, reply) => {
      const { reason, filters } = body;
      readPeriod(filters);
      if ((await store.list()).length >= MAX_AUDIT_HOLDS) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected at most ${MAX_AUDIT_HOLDS} holds: end one, or make one that keeps more`,
        );
      }
      const at = now();
      const by = principal.subject.id;
      const hold = { id: randomUUID(), reason, filters, at: at.toISOString(), by };
      await auditLog.append(
        buildAuditRecord(at, "audit-hold.created", {
          ...{ principal: by, detail: { hold: hold.id, reason, filters } },
        }),
      );
      await store.add(hold);
      return await reply.code(201).send(hold);
    },
  );

  app.delete(
    "/api/v1/audit/holds/:id",
    {
      config: { right: "audit.hold", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Ends a legal hold: what it alone kept may be dropped from then on",
        params: Type.Object({ id: Uuid }),
        response: { 200: AuditHoldList },
      },
    },
    async ({ params, principal }) => {
      const { holds } = await list();
      const hold = holds.find(({ id }) => id === params.id);
      if (hold === undefined) {
        throw new SondeError("NOT_FOUND", `expected the id of a hold, got ${params.id}`);
      }
      const { id, reason, filters } = hold;
      await auditLog.append(
        buildAuditRecord(now(), "audit-hold.released", {
          ...{ principal: principal.subject.id, detail: { hold: id, reason, filters } },
        }),
      );
      await store.remove(id);
      return await list();
    },
  );
}
