import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import {
  ChangePerson,
  CreateInvitation,
  CreatedInvitation,
  InvitationList,
  PersonList,
  PersonSummary,
  SessionList,
} from "@sonde/schemas/people";
import { LOOPBACK_HOSTS } from "@sonde/service";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { authorize } from "../../identity/index.ts";
import { requireMayChange } from "../core/account-rules.ts";
import type { Cookies } from "./cookies.ts";
import type { LinkStore } from "./link-store.ts";
import { giveLink } from "./links.ts";
import type { PersonStore } from "./person-store.ts";
import type { SessionStore } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";
import { listSessions } from "./list-sessions.ts";

const ById = Type.Object({ id: Uuid });

export type PeoplePorts = {
  people: PersonStore;
  links: LinkStore;
  sessions: Sessions;
  sessionStore: SessionStore;
  cookies: Cookies;
};

/** Adds the routes by which some people manage others. */
export function addPeopleRoutes(hub: Hub, ports: PeoplePorts): void {
  const { app, auditLog, now } = hub;
  const { people, links, sessions, sessionStore, cookies } = ports;
  const managesOwners = ({ principal }: FastifyRequest) =>
    authorize(principal, { kind: "owners.manage" }).allowed;
  const listInvitations = async () => ({
    invitations: (await links.list(now())).map(({ id, role, createdAt, createdBy, expiresAt }) => ({
      ...{ id, role, createdBy },
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
    })),
  });

  app.get(
    "/api/v1/people",
    {
      config: { right: "people.read" },
      schema: { summary: "Everybody who has an account", response: { 200: PersonList } },
    },
    async () => ({
      people: await people.list(),
    }),
  );

  app.patch(
    "/api/v1/people/:id",
    {
      config: { right: "people.manage", errors: ["SIGN_IN_AGAIN", "NOT_FOUND", "LAST_OWNER"] },
      schema: {
        summary: "Changes a role, or whether the person may sign in",
        params: ById,
        body: ChangePerson,
        response: { 200: PersonSummary },
      },
    },
    async (request) => {
      await sessions.requireFresh(request);
      const before = await people.read(request.params.id);
      const { role = before.role, disabled = before.disabled } = request.body;
      requireMayChange(before, { role, disabled }, managesOwners(request));
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "person.changed", {
          principal: request.principal.subject.id,
          detail: { id: before.id, name: before.name, role, disabled },
        }),
      );
      await people.change(before.id, { role, disabled }, at);
      return await people.read(before.id);
    },
  );

  app.delete(
    "/api/v1/people/:id",
    {
      config: { right: "people.manage", errors: ["SIGN_IN_AGAIN", "NOT_FOUND", "LAST_OWNER"] },
      schema: { summary: "Deletes an account", params: ById, response: { 200: PersonList } },
    },
    async (request) => {
      await sessions.requireFresh(request);
      const before = await people.read(request.params.id);
      requireMayChange(before, null, managesOwners(request));
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "person.deleted", {
          principal: request.principal.subject.id,
          detail: { id: before.id, name: before.name },
        }),
      );
      await people.change(before.id, null, at);
      return { people: await people.list() };
    },
  );

  app.get(
    "/api/v1/people/:id/sessions",
    {
      config: { right: "people.read", errors: ["NOT_FOUND"] },
      schema: { summary: "The sessions of a person", params: ById, response: { 200: SessionList } },
    },
    async (request) => {
      const { id } = await people.read(request.params.id);
      return await listSessions({ sessions, sessionStore, now }, request, id);
    },
  );

  app.delete(
    "/api/v1/people/:id/sessions",
    {
      config: { right: "people.manage", errors: ["SIGN_IN_AGAIN", "NOT_FOUND"] },
      schema: {
        summary: "Ends all sessions of a person",
        params: ById,
        response: { 200: SessionList },
      },
    },
    async (request) => {
      const person = await people.read(request.params.id);
      requireMayChange(person, person, managesOwners(request));
      const open = await sessionStore.list(person.id, now());
      await sessions.end(
        open.map(({ sessionId }) => sessionId),
        request.principal.subject.id,
      );
      return await listSessions({ sessions, sessionStore, now }, request, person.id);
    },
  );

  app.get(
    "/api/v1/people/invitations",
    {
      config: { right: "people.read" },
      schema: {
        summary: "Links that nobody used yet, never the links themselves",
        response: { 200: InvitationList },
      },
    },
    listInvitations,
  );

  app.post(
    "/api/v1/people/invitations",
    {
      config: { right: "people.manage", errors: ["SIGN_IN_AGAIN"] },
      schema: {
        summary: "Makes a one-time link, which is shown once",
        body: CreateInvitation,
        response: { 201: CreatedInvitation },
      },
    },
    async (request, reply) => {
      await sessions.requireFresh(request);
      const { role } = request.body;
      requireMayChange(null, { role, disabled: false }, managesOwners(request));
      const createdBy = request.principal.subject.id;
      const { id, path, expiresAt } = await giveLink(hub, links, { role, createdBy });
      const { host = "" } = request.headers;
      // Whoever asks on the hub's own machine asks for somebody elsewhere.
      const address = LOOPBACK_HOSTS.includes(host.replace(/:[0-9]+$/, ""))
        ? hub.addresses.web
        : `${cookies.schemeOf(request)}://${host}`;
      return await reply
        .code(201)
        .send({ id, role, link: `${address}${path}`, expiresAt: expiresAt.toISOString() });
    },
  );

  app.delete(
    "/api/v1/people/invitations/:id",
    {
      config: { right: "people.manage", errors: ["SIGN_IN_AGAIN", "NOT_FOUND"] },
      schema: { summary: "Ends a link", params: ById, response: { 200: InvitationList } },
    },
    async (request) => {
      const { id } = request.params;
      const principal = request.principal.subject.id;
      await auditLog.append(buildAuditRecord(now(), "link.revoked", { principal, detail: { id } }));
      if (await links.remove(id)) return await listInvitations();
      throw new SondeError("NOT_FOUND", "expected the id of an invitation in force");
    },
  );
}
