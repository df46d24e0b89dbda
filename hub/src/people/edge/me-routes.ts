import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import {
  AddPasskey,
  Me,
  PasskeyOptions,
  PasswordOptions,
  RecoveryCodes,
  SessionList,
  SetPassword,
} from "@sonde/schemas/people";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { SignedIn } from "../core/sessions.ts";
import type { CredentialStore } from "./credential-store.ts";
import { type AccountPorts, buildPassword, totpPurpose } from "./accounts.ts";
import { listSessions } from "./list-sessions.ts";
import type { Passkeys } from "./passkeys.ts";
import { formatRecoveryCode, offerTotp } from "./second-factor.ts";
import type { SessionStore } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";

export type MePorts = Pick<AccountPorts, "auditLog" | "now" | "passwords" | "vault"> & {
  passkeys: Passkeys;
  credentials: CredentialStore;
  sessions: Sessions;
  sessionStore: SessionStore;
};

/** Adds the routes of a person's own account and sessions. */
export function addMeRoutes({ app }: Pick<Hub, "app">, ports: MePorts): void {
  const { sessions, sessionStore, now } = ports;
  addCredentialRoutes(app, ports);

  app.get(
    "/api/v1/me",
    {
      config: { right: "self" },
      schema: { summary: "The caller's own account", response: { 200: Me } },
    },
    (request) => readMe(ports, request),
  );
  app.get(
    "/api/v1/sessions",
    {
      config: { right: "self" },
      schema: { summary: "The caller's own sessions", response: { 200: SessionList } },
    },
    async (request) => {
      const { id } = await requirePerson(sessions, request);
      return await listSessions({ sessions, sessionStore, now }, request, id);
    },
  );
  app.delete(
    "/api/v1/sessions/:id",
    {
      config: { right: "self", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Ends one of the caller's own sessions",
        params: Type.Object({ id: Uuid }),
        response: { 200: SessionList },
      },
    },
    async (request) => {
      const { id } = await requirePerson(sessions, request);
      const own = await sessionStore.list(id, now());
      if (!own.some(({ sessionId }) => sessionId === request.params.id)) {
        throw new SondeError("NOT_FOUND", "expected the id of a session of yours");
      }
      await sessions.end([request.params.id], `person:${id}`);
      return await listSessions({ sessions, sessionStore, now }, request, id);
    },
  );
}

/** Adds the routes by which a person changes how they sign in. Each ends all other sessions. */
function addCredentialRoutes(app: Hub["app"], ports: MePorts): void {
  const { credentials, sessions, passkeys, vault, now } = ports;
  const requireOwner = async (request: FastifyRequest): Promise<SignedIn> => {
    await sessions.requireFresh(request);
    return await requirePerson(sessions, request);
  };
  const record = async ({ id }: SignedIn, change: string, what: string) => {
    const detail = { change, what };
    await ports.auditLog.append(
      buildAuditRecord(now(), "credential.changed", { principal: `person:${id}`, detail }),
    );
  };
  const tell = async (request: FastifyRequest, reply: FastifyReply, person: SignedIn) => {
    await sessions.renew(request, reply, person);
    return await describe(ports, person);
  };

  app.post(
    "/api/v1/me/passkeys/options",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN"] },
      schema: { summary: "Begins to add a passkey", response: { 200: PasskeyOptions } },
    },
    async (request, reply) => {
      const { id, name } = await requireOwner(request);
      const maker = { personId: id, name };
      return await passkeys.offerMaking(request, reply, { of: `person ${id}`, maker });
    },
  );
  app.post(
    "/api/v1/me/passkeys",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN", "SIGN_IN_REFUSED"] },
      schema: { summary: "Adds a passkey", body: AddPasskey, response: { 200: Me } },
    },
    async (request, reply) => {
      const person = await requireOwner(request);
      const { answer, name = null } = request.body;
      const { passkey } = await passkeys.make(request, `person ${person.id}`, answer);
      await record(person, "added", `passkey ${passkey.id}`);
      await credentials.addPasskey(person.id, { ...passkey, name }, now());
      return await tell(request, reply, person);
    },
  );
  app.delete(
    "/api/v1/me/passkeys/:id",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN", "NOT_FOUND", "LAST_CREDENTIAL"] },
      schema: {
        summary: "Removes a passkey",
        params: Type.Object({ id: Type.String({ maxLength: 1_400 }) }),
        response: { 200: Me },
      },
    },
    async (request, reply) => {
      const person = await requireOwner(request);
      await record(person, "removed", `passkey ${request.params.id}`);
      await credentials.remove(person.id, request.params.id);
      return await tell(request, reply, person);
    },
  );
  app.post(
    "/api/v1/me/password/options",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN"] },
      schema: {
        summary: "Begins to set a password: the secret for its codes",
        response: { 200: PasswordOptions },
      },
    },
    async (request) => {
      const { id } = await requireOwner(request);
      const shown = { host: request.headers.host ?? "", now: now() };
      return offerTotp(vault, totpPurpose(`person ${id}`), shown);
    },
  );
  app.put(
    "/api/v1/me/password",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN", "SIGN_IN_REFUSED"] },
      schema: {
        summary: "Sets the password and its codes",
        body: SetPassword,
        response: { 200: RecoveryCodes },
      },
    },
    async (request, reply) => {
      const person = await requireOwner(request);
      const form = { ...request.body, name: person.name };
      const of = { of: `person ${person.id}`, personId: person.id };
      const password = await buildPassword(ports, form, of);
      await record(person, "set", "password");
      await credentials.setPassword(person.id, password);
      await sessions.renew(request, reply, person);
      return { recoveryCodes: password.recoveryCodes.map(formatRecoveryCode) };
    },
  );
  app.delete(
    "/api/v1/me/password",
    {
      config: { right: "self", errors: ["SIGN_IN_AGAIN", "NOT_FOUND", "LAST_CREDENTIAL"] },
      schema: { summary: "Removes the password", response: { 200: Me } },
    },
    async (request, reply) => {
      const person = await requireOwner(request);
      await record(person, "removed", "password");
      await credentials.remove(person.id, null);
      return await tell(request, reply, person);
    },
  );
}

/** @throws SondeError UNAUTHENTICATED when the session ended while the request ran */
export async function requirePerson(
  sessions: Pick<Sessions, "signedIn">,
  request: FastifyRequest,
): Promise<SignedIn> {
  const person = await sessions.signedIn(request);
  if (person !== null) return person;
  throw new SondeError("UNAUTHENTICATED", "expected a person who is signed in");
}

async function readMe(ports: MePorts, request: FastifyRequest): Promise<Me> {
  return await describe(ports, await requirePerson(ports.sessions, request));
}

async function describe(
  { credentials }: Pick<MePorts, "credentials">,
  { id, name, role, authenticatedAt, methods }: SignedIn,
): Promise<Me> {
  const own = await credentials.read(id);
  return { id, name, role, authenticatedAt: authenticatedAt.toISOString(), methods, ...own };
}
