import { randomUUID } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { Provider } from "oidc-provider";
import type { FastifyRequest } from "fastify";
import { type Actors, buildAuditRecord } from "../audit/index.ts";
import type { Hub } from "../hub.ts";
import { createPrincipal, type Subjects } from "../identity/index.ts";
import { type FindPerson, holderOfPerson, type People } from "../people/index.ts";
import type { ClientRules } from "../oauth-settings.ts";
import { buildChallenge } from "./core/metadata.ts";
import { JWT_BEARER } from "./core/identity-providers.ts";
import { holderOfGrant } from "./core/narrow.ts";
import { kindOfResource, MCP_SCOPES } from "./core/scopes.ts";
import type { Capability } from "@sonde/schemas/names";
import { createClientDocuments } from "./edge/client-documents.ts";
import { createClientStore } from "./edge/client-store.ts";
import { createClients } from "./edge/clients.ts";
import { addConsentRoutes } from "./edge/consent-routes.ts";
import { renderErrorPage } from "./edge/consent-page.ts";
import type { DecidePorts } from "./edge/decide.ts";
import { addDeviceRoutes } from "./edge/device-routes.ts";
import { createEndGrants } from "./edge/end-grants.ts";
import { addGrantRoutes } from "./edge/grant-routes.ts";
import { createGrantStore, type GrantStore } from "./edge/grant-store.ts";
import { createGrantTokens, type GrantTokens } from "./edge/grant-tokens.ts";
import { createItemStore } from "./edge/item-store.ts";
import type { JwtBearerPorts } from "./edge/jwt-bearer.ts";
import { addMetadataRoutes } from "./edge/metadata-routes.ts";
import { mountProvider } from "./edge/mount.ts";
import { addRefusalRoutes } from "./edge/refusal-routes.ts";
import { createRefusalStore } from "./edge/refusal-store.ts";

export { ACCESS_TOKEN_PREFIX } from "./core/access-token.ts";
export { migrations } from "./migrations.ts";
export type { GrantTokens } from "./edge/grant-tokens.ts";

/** Deletes what is over. */
const TEND_EVERY_MS = 60_000;
const NO_RULES: ClientRules = {};

/** Opens what converts access tokens to principals, for the guard that stands before every feature. */
export function openGrantTokens(
  hub: Pick<Hub, "sql" | "directory" | "now" | "addresses">,
  findPerson: FindPerson,
  actors: Actors,
): GrantTokens {
  return createGrantTokens({
    ...{ findPerson, actors, directory: hub.directory, now: hub.now },
    grants: createGrantStore(hub.sql, hub.directory, hub.now),
    origin: () => hub.addresses.web,
  });
}

/** What people granted, also what has ended. */
export function openGrants(
  hub: Pick<Hub, "sql" | "directory" | "now">,
): Pick<GrantStore, "listIds"> {
  return createGrantStore(hub.sql, hub.directory, hub.now);
}

/** The challenge of a refused request of `/mcp` and of REST, by which a client begins (RFC 9728, 5). */
export function challengeOf(origin: string, request: FastifyRequest): string | null {
  const path = request.routeOptions.url ?? "";
  const isMcp = path === "/mcp" || path === "/mcp/";
  if (!isMcp && !path.startsWith("/api/v1/")) return null;
  const { host } = request.headers;
  return buildChallenge(origin, isMcp ? "mcp" : "api", { host, scope: null });
}

/** The challenge for a call that needs a higher capability than the token's scopes have. */
export function stepUpChallenge(
  origin: string,
  host: string | undefined,
  capability: Capability,
): string {
  const scope = MCP_SCOPES.slice(0, MCP_SCOPES.indexOf(capability) + 1);
  return buildChallenge(origin, "mcp", { host, scope });
}

/**
 * Installs the authorization server: what a client needs to ask, the page on which a person decides,
 * and the routes that list and end what was granted. What any hub ended is refused by all.
 *
 * @param uses.dismiss ends a principal's open streams
 */
export function installOAuth(
  hub: Hub,
  uses: {
    people: People;
    tokens: GrantTokens;
    findPerson: FindPerson;
    subjects: Pick<Subjects, "add">;
    dismiss: (principalId: string) => Promise<void>;
  },
): void {
  const { sql, directory, auditLog, now, report, addresses } = hub;
  const { people, tokens, findPerson } = uses;
  const origin = () => addresses.web;
  const rules = () => hub.config.oauth?.clients ?? NO_RULES;
  const providers = hub.config.oauth?.identityProviders ?? [];
  const items = createItemStore(sql, now);
  const grants = createGrantStore(sql, directory, now);
  const registered = createClientStore(sql, directory, now);
  const refused = createRefusalStore(sql, directory, now);
  const endGrants = createEndGrants(hub, grants);
  const clients = createClients({
    documents: createClientDocuments(rules, hub.elapsed),
    store: registered,
    rules,
    isOfProvider: (id) => providers.some((provider) => provider.clients.includes(id)),
    async onRegistered({ client_id: clientId, client_name: name, redirect_uris: redirects }, from) {
      const detail = { clientId, name, redirects, from };
      await auditLog.append(buildAuditRecord(now(), "client.registered", { detail }));
    },
    onRefused: (missing, client) => refused.note(missing, client).catch(report),
  });

  let opened: Promise<Provider> | null = null;
  const open = (): Promise<Provider> => {
    // Loaded by the first client that comes: a hub whose clients have keys does without its memory.
    opened ??= import("./edge/create-provider.ts").then(async (library) => {
      const provider = library.createProvider({
        ...{ items, grants, clients, now, rules, origin: origin() },
        endGrant: (id, because) => endGrants.all({ grantId: id }, { because, by: null }),
        isPerson: async (id) => (await findPerson({ id })) !== null,
        renderError: renderErrorPage,
      });
      if (providers.length > 0) {
        const { addJwtBearer } = await import("./edge/jwt-bearer.ts");
        addJwtBearer(provider, {
          ...{ providers, sql, now, origin: origin(), accessSeconds: library.ACCESS_SECONDS },
          findPerson: async (issuer, subject) =>
            (await findPerson({ issuer, subject }))?.id ?? null,
          grant: grantByProvider,
        });
      }
      provider.on("server_error", (_ctx, error) => report(error));
      // The framework below it writes errors to standard error by itself, unless somebody listens.
      (provider as EventEmitter).on("error", report);
      return provider;
    });
    return opened;
  };

  uses.subjects.add("grant", async (id) => {
    const grant = await grants.find(id);
    const person = grant === null ? null : await findPerson({ id: grant.personId });
    const kind = grant === null ? null : kindOfResource(origin(), grant.resource);
    if (grant === null || person === null || kind === null) return null;
    const holder = holderOfPerson(person);
    const subject = { id: `grant:${id}`, name: grant.clientName, person: holder.id };
    return createPrincipal(directory, subject, [holder, holderOfGrant(id, kind, holder, grant)]);
  });

  const decide: DecidePorts = {
    ...{ directory, auditLog, now, people, clients, registered, grants, origin },
    secret: hub.keys.deriveSecret("sonde oauth forms v1"),
  };
  addMetadataRoutes(hub.app, {
    origin,
    grantTypes: () => (providers.length > 0 ? [JWT_BEARER] : []),
  });
  mountProvider(hub.app, { origin, open });
  addConsentRoutes(hub.app, { ...decide, open });
  addDeviceRoutes(hub.app, { ...decide, items });
  addGrantRoutes(hub, { grants, registered, endGrants });
  addRefusalRoutes(hub, { refused, rules });

  directory.onChange(({ kind, id }) => {
    if (kind === "grant") {
      tokens.forget(id);
      uses.dismiss(`grant:${id}`).catch(report);
    }
    if (kind === "person") void endOfGone(id).catch(report);
  });

  /** Records and stores what the company's identity provider granted in place of a person. */
  async function grantByProvider(what: Parameters<JwtBearerPorts["grant"]>[0]): Promise<string> {
    const { personId, clientId, clientName, issuer, resource, scopes, ttlMs } = what;
    const id = randomUUID();
    const about = { id, clientId, clientName, clientHost: new URL(issuer).host, resource, scopes };
    await auditLog.append(
      buildAuditRecord(now(), "grant.created", {
        ...{ principal: `person:${personId}`, status: "ok" },
        detail: { ...about, issuer },
      }),
    );
    await grants.add({ ...about, personId, agents: "*" }, ttlMs);
    return id;
  }

  /** A person's rights may be others, or the person may be gone. */
  async function endOfGone(personId: string): Promise<void> {
    tokens.forget(null);
    const inForce = await grants.listInForce({ personId });
    if ((await findPerson({ id: personId })) === null) {
      await endGrants.all({ personId }, { because: "person-gone", by: null });
    }
    // Also of a person who stays: what the streams say may be more than the person has now.
    for (const id of inForce) await uses.dismiss(`grant:${id}`);
  }

  const tending = setInterval(() => {
    const stores = [items, grants, registered, refused];
    Promise.all(stores.map((store) => store.expire())).catch(report);
  }, TEND_EVERY_MS);
  hub.onStop(() => clearInterval(tending));
}
