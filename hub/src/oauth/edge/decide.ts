import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { FastifyRequest } from "fastify";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { highestCapability, maySeeAgent } from "../../identity/index.ts";
import type { People, SignedIn } from "../../people/index.ts";
import { principalOf } from "../../people/index.ts";
import type { KnownClient } from "../core/client-document.ts";
import { type Ask, scopesOfPerson } from "../core/consent.ts";
import type { Narrowing } from "../core/narrow.ts";
import { kindOfResource, scopesToAsk } from "../core/scopes.ts";
import type { Clients } from "./clients.ts";
import type { ClientStore } from "./client-store.ts";
import type { ConsentView } from "./consent-page.ts";
import type { GrantStore } from "./grant-store.ts";

export type DecidePorts = Pick<Hub, "directory" | "auditLog" | "now"> & {
  people: Pick<People, "signedIn" | "requireSameOrigin">;
  clients: Clients;
  registered: ClientStore;
  grants: GrantStore;
  origin: () => string;
  /** 32 bytes, the same on all hubs of the database. */
  secret: Buffer;
};

/** A client's request as it came: parameters of RFC 6749, checked by the library. */
export type Asked = { clientId: string; resource: unknown; scope: unknown; host: string | null };

/**
 * What a person is asked.
 *
 * @param asked `host`: where the code goes; null for a terminal
 * @throws SondeError NOT_FOUND for a client that is gone meanwhile, FORBIDDEN when the person has
 *   nothing of what is asked for
 */
export async function buildAsk(
  { clients, directory, origin }: Pick<DecidePorts, "clients" | "directory" | "origin">,
  person: SignedIn,
  { clientId, resource, scope, host }: Asked,
): Promise<{ ask: Ask; client: KnownClient }> {
  const client = await clients.find(clientId);
  const kind = typeof resource === "string" ? kindOfResource(origin(), resource) : null;
  if (client === null || kind === null || typeof resource !== "string") {
    throw new SondeError(
      "NOT_FOUND",
      "expected a client that this hub knows, got one that is gone",
    );
  }
  const asked = scopesToAsk(typeof scope === "string" ? scope : undefined, kind);
  const scopes = scopesOfPerson(asked, kind, highestCapability(principalOf(directory, person)));
  if (scopes.length === 0) {
    throw new SondeError("FORBIDDEN", `${person.name} may do nothing of what the client asks for`);
  }
  const clientHost = host ?? "A terminal";
  const { client_name: clientName } = client;
  return { ask: { clientId, clientName, clientHost, kind, resource, scopes }, client };
}

/** What the page shows beside the request: the agents, and what the person chose the last time. */
export async function buildChoice(
  { directory, grants }: Pick<DecidePorts, "directory" | "grants">,
  person: SignedIn,
  ask: Ask,
): Promise<Pick<ConsentView, "agents" | "tags" | "chosen">> {
  const principal = principalOf(directory, person);
  const agents = directory.agents().filter((agent) => maySeeAgent(principal, agent));
  const last = await grants.findLast({ ...ask, personId: person.id });
  // The highest that the person chose before, as far as it is asked for now; else the least.
  const level = ask.scopes.findLast((scope) => last?.scopes.includes(scope)) ?? ask.scopes[0] ?? "";
  return {
    agents: agents.map(({ name }) => name),
    tags: [...new Set(agents.flatMap(({ tags }) => tags))].toSorted(),
    chosen: { level, agents: last?.agents ?? "*" },
  };
}

/** Records and stores what a person allowed. @returns the id of the grant */
export async function allowClient(
  { auditLog, now, grants, registered }: DecidePorts,
  person: SignedIn,
  ask: Ask,
  { scopes, agents }: Narrowing,
): Promise<string> {
  const id = randomUUID();
  const { clientId, clientName, clientHost, resource } = ask;
  const what = { clientId, clientName, clientHost, resource, scopes: [...scopes], agents };
  await auditLog.append(
    buildAuditRecord(now(), "grant.created", {
      principal: `person:${person.id}`,
      status: "ok",
      detail: { id, ...what },
    }),
  );
  await grants.add({
    id,
    personId: person.id,
    ...what,
    agents: agents === "*" ? "*" : [...agents],
  });
  await registered.touch(clientId);
  return id;
}

/** Records that a person refused a client. */
export async function refuseClient(
  { auditLog, now }: Pick<DecidePorts, "auditLog" | "now">,
  person: SignedIn,
  { clientId, clientHost, resource, scopes }: Ask,
): Promise<void> {
  await auditLog.append(
    buildAuditRecord(now(), "grant.refused", {
      principal: `person:${person.id}`,
      status: "denied",
      detail: { clientId, clientHost, resource, scopes },
    }),
  );
}

/**
 * What a form must bring back: it is of this session and of this request (attack 38). Another page
 * cannot read it, and a page for another request or person has another one.
 */
export function buildTicket(secret: Buffer, of: string, { sessionId }: SignedIn): string {
  return createHmac("sha256", secret).update(`${of}\n${sessionId}`).digest("base64url");
}

/** @throws SondeError ORIGIN_REFUSED for a form that is not of this session and request */
export function requireTicket(
  ports: Pick<DecidePorts, "people" | "secret">,
  request: FastifyRequest,
  person: SignedIn,
  { ticket, of }: { ticket: string | undefined; of: string },
): void {
  ports.people.requireSameOrigin(request);
  const expected = Buffer.from(buildTicket(ports.secret, of, person));
  const got = Buffer.from(ticket ?? "");
  if (got.length === expected.length && timingSafeEqual(got, expected)) return;
  throw new SondeError("ORIGIN_REFUSED", "expected the form of this page, got another one");
}
