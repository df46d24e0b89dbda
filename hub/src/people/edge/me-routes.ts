import { SondeError } from "@sonde/schemas/errors";
import { Uuid } from "@sonde/schemas/names";
import { Me, SessionList } from "@sonde/schemas/people";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import type { SignedIn } from "../core/sessions.ts";
import type { CredentialStore } from "./credential-store.ts";
import { listSessions } from "./list-sessions.ts";
import type { SessionStore } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";

const SELF = { right: "self" } as const;

export type MePorts = {
  credentials: CredentialStore;
  sessions: Sessions;
  sessionStore: SessionStore;
};

/** Adds the routes of a person's own account and sessions. */
export function addMeRoutes({ app, now }: Pick<Hub, "app" | "now">, ports: MePorts): void {
  const { sessions, sessionStore } = ports;

  app.get("/api/v1/me", { config: SELF, schema: { response: { 200: Me } } }, (request) =>
    readMe(ports, request),
  );
  app.get(
    "/api/v1/sessions",
    { config: SELF, schema: { response: { 200: SessionList } } },
    async (request) => {
      const { id } = await requirePerson(sessions, request);
      return await listSessions({ sessions, sessionStore, now }, request, id);
    },
  );
  app.delete(
    "/api/v1/sessions/:id",
    {
      config: SELF,
      schema: { params: Type.Object({ id: Uuid }), response: { 200: SessionList } },
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

/** @throws SondeError UNAUTHENTICATED when the session ended while the request ran */
export async function requirePerson(
  sessions: Pick<Sessions, "signedIn">,
  request: FastifyRequest,
): Promise<SignedIn> {
  const person = await sessions.signedIn(request);
  if (person !== null) return person;
  throw new SondeError("UNAUTHENTICATED", "expected a person who is signed in");
}

async function readMe({ credentials, sessions }: MePorts, request: FastifyRequest): Promise<Me> {
  const { id, name, role, authenticatedAt, methods } = await requirePerson(sessions, request);
  const own = await credentials.read(id);
  return { id, name, role, authenticatedAt: authenticatedAt.toISOString(), methods, ...own };
}
