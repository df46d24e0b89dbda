import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import { RefusedClientList } from "@sonde/schemas/oauth";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { ClientRules } from "../../oauth-settings.ts";
import { isMissing, writeRule } from "../core/missing-rule.ts";
import type { RefusalStore } from "./refusal-store.ts";

/** Adds the routes that list and forget clients that the allow-list refused. */
export function addRefusalRoutes(
  { app, auditLog, now }: Pick<Hub, "app" | "auditLog" | "now">,
  { refused, rules }: { refused: RefusalStore; rules: () => ClientRules },
): void {
  // What the configuration names by now may come, and waits for nobody.
  const list = async (): Promise<RefusedClientList> => ({
    refused: (await refused.list())
      .filter((one) => isMissing(one, rules()))
      .map(({ refusedAt, ...one }) => ({
        ...one,
        refusedAt: refusedAt.toISOString(),
        line: writeRule(one, rules()),
      })),
  });

  app.get(
    "/api/v1/oauth/refused-clients",
    {
      config: { right: "oauth.read" },
      schema: {
        summary:
          "OAuth clients that the configuration refused lately, and what would let them come",
        response: { 200: RefusedClientList },
      },
    },
    list,
  );
  app.delete(
    "/api/v1/oauth/refused-clients/:id",
    {
      config: { right: "oauth.manage", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Forgets that a client was refused; it stays refused",
        params: Type.Object({ id: Uuid }),
        response: { 200: RefusedClientList },
      },
    },
    async ({ params: { id }, principal }) => {
      const one = (await refused.list()).find((known) => known.id === id);
      if (one === undefined) {
        throw new SondeError("NOT_FOUND", "expected the id of a client that was refused");
      }
      const { member, value } = one;
      await auditLog.append(
        buildAuditRecord(now(), "client.removed", {
          principal: principal.subject.id,
          detail: { refused: id, member, value },
        }),
      );
      await refused.remove(id);
      return await list();
    },
  );
}
