import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import {
  OAuthClientList,
  type OAuthClientSummary,
  OAuthGrantList,
  type OAuthGrantSummary,
} from "@sonde/schemas/oauth";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { hostOf } from "../core/client-document.ts";
import type { ClientStore } from "./client-store.ts";
import type { EndGrants } from "./end-grants.ts";
import type { GrantStore, GrantSummary } from "./grant-store.ts";

const byId = { params: Type.Object({ id: Uuid }) };
const byClient = { params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 500 }) }) };
const grantList = { response: { 200: OAuthGrantList } };
const clientList = { response: { 200: OAuthClientList } };

/** Adds the routes that list and end grants and clients: one's own, and for admins everybody's. */
export function addGrantRoutes(
  { app, auditLog, now }: Pick<Hub, "app" | "auditLog" | "now">,
  {
    grants,
    registered,
    endGrants,
  }: { grants: GrantStore; registered: ClientStore; endGrants: EndGrants },
): void {
  const list = async (personId: string | null): Promise<OAuthGrantList> => ({
    grants: (await grants.list(personId)).map(summarize),
  });

  app.get(
    "/api/v1/oauth/grants",
    {
      config: { right: "oauth.read" },
      schema: { summary: "What people granted to OAuth clients", ...grantList },
    },
    () => list(null),
  );
  app.delete(
    "/api/v1/oauth/grants/:id",
    {
      config: { right: "oauth.manage", errors: ["NOT_FOUND"] },
      schema: { summary: "Ends a grant with its tokens and open streams", ...byId, ...grantList },
    },
    async ({ params, principal }) => {
      await endGrants.one(params.id, { because: "revoked-by-admin", by: principal.subject.id });
      return await list(null);
    },
  );
  app.get(
    "/api/v1/me/grants",
    {
      config: { right: "self" },
      schema: { summary: "What the caller granted to OAuth clients", ...grantList },
    },
    ({ principal }) => list(personOf(principal.subject.id)),
  );
  app.delete(
    "/api/v1/me/grants/:id",
    {
      config: { right: "self", errors: ["NOT_FOUND"] },
      schema: { summary: "Ends one of the caller's own grants", ...byId, ...grantList },
    },
    async ({ params, principal }) => {
      const person = personOf(principal.subject.id);
      const grant = await grants.find(params.id);
      if (grant?.personId !== person) {
        throw new SondeError("NOT_FOUND", "expected the id of a grant of yours that is in force");
      }
      await endGrants.one(params.id, { because: "revoked-by-person", by: principal.subject.id });
      return await list(person);
    },
  );

  app.get(
    "/api/v1/oauth/clients",
    {
      config: { right: "oauth.read" },
      schema: { summary: "All OAuth clients that people let in or that registered", ...clientList },
    },
    () => listClients(),
  );
  app.delete(
    "/api/v1/oauth/clients/:id",
    {
      config: { right: "oauth.manage", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Forgets an OAuth client with all its grants",
        ...byClient,
        ...clientList,
      },
    },
    async ({ params: { id }, principal }) => {
      const by = principal.subject.id;
      if (!(await listClients()).clients.some((client) => client.id === id)) {
        throw new SondeError(
          "NOT_FOUND",
          "expected the id of a client that registered or was let in",
        );
      }
      await auditLog.append(
        buildAuditRecord(now(), "client.removed", { principal: by, detail: { clientId: id } }),
      );
      await registered.remove(id);
      await endGrants.all({ clientId: id }, { because: "client-removed", by });
      return await listClients();
    },
  );

  async function listClients(): Promise<OAuthClientList> {
    const inForce = (await grants.list(null)).filter(isInForce);
    const found = new Map<string, OAuthClientSummary>();
    for (const { id, metadata, registeredAt, usedAt } of await registered.list()) {
      const { client_name: name, redirect_uris: redirects } = metadata;
      const host = Array.isArray(redirects) ? hostOf(String(redirects[0])) : "";
      const about = { id, name: typeof name === "string" ? name : host, host };
      const times = { registeredAt: registeredAt.toISOString(), usedAt: toText(usedAt) };
      found.set(id, { ...about, ...times, grants: 0 });
    }
    for (const { clientId: id, clientName: name, clientHost: host } of inForce) {
      const isNew = { registeredAt: null, usedAt: null, grants: 0 };
      const known = found.get(id) ?? { id, name, host, ...isNew };
      found.set(id, { ...known, grants: known.grants + 1 });
    }
    return { clients: [...found.values()] };
  }

  function isInForce({ endedAt, expiresAt }: GrantSummary): boolean {
    return endedAt === null && expiresAt > now();
  }
}

function summarize(grant: GrantSummary): OAuthGrantSummary {
  return {
    id: grant.id,
    person: { id: grant.personId, name: grant.personName },
    client: { id: grant.clientId, name: grant.clientName, host: grant.clientHost },
    resource: grant.resource,
    scopes: grant.scopes,
    agents: grant.agents,
    grantedAt: grant.grantedAt.toISOString(),
    usedAt: toText(grant.usedAt),
    expiresAt: grant.expiresAt.toISOString(),
    endedAt: toText(grant.endedAt),
    endedBecause: grant.endedBecause,
  };
}

function toText(at: Date | null): string | null {
  return at?.toISOString() ?? null;
}

/** The right `self` is a person's. */
function personOf(subject: string): string {
  return subject.slice("person:".length);
}
