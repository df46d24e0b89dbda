import { randomBytes } from "node:crypto";
import { CreateToken, CreatedToken } from "@sonde/schemas/hub";
import { changeTags } from "@sonde/schemas/tags";
import { TOKEN_PREFIX } from "@sonde/schemas/wire";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

const TOKEN_LIFETIME_MS = 15 * 60_000;

/** Adds the route that creates enrolment tokens. */
export function addTokenRoutes(hub: Hub, enrolments: EnrolmentStore): void {
  hub.app.post(
    "/api/v1/enrolment-tokens",
    {
      config: { right: "agents.manage" },
      schema: {
        summary: "Makes a token by which one host enrols",
        body: CreateToken,
        response: { 201: CreatedToken },
      },
    },
    async (request, reply) => {
      const secret = `${TOKEN_PREFIX}${randomBytes(32).toString("base64url")}`;
      const at = hub.now();
      const expiresAt = new Date(at.getTime() + TOKEN_LIFETIME_MS);
      const agentName = request.body.agentName ?? null;
      const approvesFirst = request.body.approvesFirst ?? true;
      const tags = changeTags([], { set: request.body.tags ?? [], remove: [] });
      await hub.auditLog.append(
        buildAuditRecord(at, "token.created", {
          principal: request.principal.subject.id,
          agent: agentName,
          detail: { expiresAt: expiresAt.toISOString(), tags, approvesFirst },
        }),
      );
      const createdBy = request.principal.subject.id;
      await enrolments.addToken({
        ...{ secret, agentName, tags, approvesFirst, createdBy, at, expiresAt },
      });
      return reply.code(201).send({
        // The agent pins the CA by the fingerprint after the dot (identity rule 2).
        token: `${secret}.${hub.keys.fingerprint}`,
        expiresAt: expiresAt.toISOString(),
        enrolAddress: hub.addresses.enrol,
      });
    },
  );
}
