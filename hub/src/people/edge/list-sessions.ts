import type { SessionList } from "@sonde/schemas/people";
import type { FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { SessionStore } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";

/** A person's sessions in force. That of the request is marked. */
export async function listSessions(
  ports: { sessions: Sessions; sessionStore: SessionStore; now: () => Date },
  request: FastifyRequest,
  personId: string,
): Promise<Static<typeof SessionList>> {
  const own = await ports.sessions.signedIn(request);
  const rows = await ports.sessionStore.list(personId, ports.now());
  return {
    sessions: rows.map(({ sessionId, createdAt, seenAt, expiresAt, ...session }) => ({
      ...session,
      id: sessionId,
      current: sessionId === own?.sessionId,
      createdAt: createdAt.toISOString(),
      seenAt: seenAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
    })),
  };
}
