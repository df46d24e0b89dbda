import { AuditSinkList, type AuditSinkState } from "@sonde/schemas/hub";
import type { Hub } from "../../hub.ts";

/** Adds the route that tells how far each sink is. */
export function addSinkRoutes(
  { app }: Pick<Hub, "app">,
  { read }: { read: () => Promise<AuditSinkState[]> },
): void {
  app.get(
    "/api/v1/audit/sinks",
    {
      config: { right: "audit.read" },
      schema: {
        summary: "How far each sink of the audit log is, and what fails",
        response: { 200: AuditSinkList },
      },
    },
    async () => ({ sinks: await read() }),
  );
}
