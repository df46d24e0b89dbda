import { SondeError } from "@sonde/schemas/errors";
import { ForgetLog, ForgottenLog } from "@sonde/schemas/hub";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { WitnessedLogs } from "./witnessed-logs.ts";

/**
 * Adds the route by which people decide that a log begins anew for this witness, such as after a restore
 * of its hub. The next checkpoint of the log is then cosigned whatever its history is, so what was
 * forgotten stays in this hub's own log.
 */
export function addForgetRoute(
  { app, auditLog, now }: Pick<Hub, "app" | "auditLog" | "now">,
  logs: Pick<WitnessedLogs, "read" | "forget">,
): void {
  app.post(
    "/api/v1/audit/forgotten-logs",
    {
      config: { right: "keys.manage", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Forgets what this hub has cosigned of another log, which then begins anew",
        body: ForgetLog,
        response: { 200: ForgottenLog },
      },
    },
    async ({ body: { origin }, principal }): Promise<ForgottenLog> => {
      for (;;) {
        const seen = await logs.read(origin);
        if (seen === null) {
          throw new SondeError(
            "NOT_FOUND",
            "expected a log of which this hub cosigned a checkpoint",
          );
        }
        const forgotten = { size: seen.size, root: seen.root.toString("base64") };
        // Recorded before it takes effect.
        await auditLog.append(
          buildAuditRecord(now(), "witness.forgot", {
            principal: principal.subject.id,
            detail: { log: origin, ...forgotten },
          }),
        );
        if (await logs.forget(origin, seen)) return { origin, ...forgotten };
      }
    },
  );
}
