import { randomBytes, randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { SignInMethod } from "@sonde/schemas/people";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type { FastifyReply, FastifyRequest } from "fastify";
import { buildAuditRecord } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import type { Principal } from "../../identity/index.ts";
import { principalOf } from "../core/principal.ts";
import { isSameOrigin } from "../core/same-origin.ts";
import {
  isFresh,
  isOver,
  SEEN_EVERY_MS,
  SESSION_MS,
  type Session,
  type SignedIn,
} from "../core/sessions.ts";
import type { Cookies } from "./cookies.ts";
import type { SessionStore } from "./session-store.ts";

/** How long a session stays cached, in ms. `forget` removes one that ended at once. */
const CACHE_MS = 5_000;
const MAX_CACHED = 1_000;
const SECRET = /^[A-Za-z0-9_-]{43}$/;
const MAX_BROWSER = 200;

/** The sessions of people's browsers: a cookie that stands for a sign-in. */
export type Sessions = {
  /** @returns who is signed in; null when nobody is */
  signedIn(request: FastifyRequest): Promise<SignedIn | null>;
  /**
   * For the guard. A request that writes must come from a page of this hub.
   *
   * @param isUse false for one that goes on by itself, such as an open stream: a session that nobody
   *   uses ends all the same
   * @returns null when nobody is signed in
   * @throws SondeError ORIGIN_REFUSED
   */
  authenticate(request: FastifyRequest, isUse?: boolean): Promise<Principal | null>;
  /**
   * For a change of credentials or people. A key has no sign-in to repeat; what it may do, its rights say.
   *
   * @throws SondeError SIGN_IN_AGAIN when the person's sign-in is older than ten minutes
   */
  requireFresh(request: FastifyRequest): Promise<void>;
  /** @throws SondeError ORIGIN_REFUSED for a request that no page of this hub sent */
  requireSameOrigin(request: FastifyRequest): void;
  /**
   * Begins a session under a new id and ends the one that the browser had (attack 38: a planted
   * cookie never becomes a session).
   */
  begin(
    request: FastifyRequest,
    reply: FastifyReply,
    person: { id: string; methods: SignInMethod[] },
  ): Promise<void>;
  /**
   * After a change of the person's credentials: a new id for this browser, and the end of all other
   * sessions. It stays as old as it was.
   */
  renew(request: FastifyRequest, reply: FastifyReply, person: SignedIn): Promise<void>;
  /** Ends sessions at every hub. @param by the principal */
  end(ids: string[], by: string): Promise<void>;
  /** Ends the browser's session, if it has one. */
  leave(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  forget(kind: "person" | "session", id: string): void;
};

export function createSessions(
  hub: Pick<Hub, "auditLog" | "now">,
  store: SessionStore,
  cookies: Cookies,
): Sessions {
  const { auditLog, now } = hub;
  const cache = new Map<string, { session: Session; until: number }>();
  /** Counts calls of `forget`. A session that was read before the latest one is not cached. */
  let forgotten = 0;

  async function find(secret: string, isUse: boolean): Promise<Session | null> {
    const at = now();
    const hash = hashSecret(secret);
    const cached = cache.get(hash);
    if (cached !== undefined && cached.until > at.getTime()) return cached.session;
    const asOf = forgotten;
    const session = await store.find(secret);
    if (session === null || isOver(session, at)) {
      cache.delete(hash);
      return null;
    }
    if (isUse && at.getTime() - session.seenAt.getTime() >= SEEN_EVERY_MS) {
      await store.touch(session.sessionId, at);
    }
    if (cache.size >= MAX_CACHED) cache.clear();
    if (asOf === forgotten) cache.set(hash, { session, until: at.getTime() + CACHE_MS });
    return session;
  }

  async function look(request: FastifyRequest, isUse: boolean): Promise<Session | null> {
    const secret = cookies.read(request, "session");
    if (secret === undefined || !SECRET.test(secret)) return null;
    const session = await find(secret, isUse);
    return session === null || isOver(session, now()) ? null : session;
  }

  async function add(
    request: FastifyRequest,
    reply: FastifyReply,
    {
      id,
      methods,
      since,
      renewed,
    }: {
      id: string;
      methods: SignInMethod[];
      since: Date;
      renewed: boolean;
    },
  ): Promise<void> {
    const secret = randomBytes(32).toString("base64url");
    const sessionId = randomUUID();
    const detail = { session: sessionId, methods, address: request.ip, renewed };
    await auditLog.append(
      buildAuditRecord(now(), "sign-in.accepted", { principal: `person:${id}`, detail }),
    );
    await store.add({
      ...{ id: sessionId, secret, personId: id, methods, address: request.ip },
      ...{ since, seenAt: now(), expiresAt: new Date(since.getTime() + SESSION_MS) },
      browser: toPlainLine(request.headers["user-agent"] ?? "").slice(0, MAX_BROWSER),
    });
    cookies.set(request, reply, { name: "session", value: secret, maxAgeMs: SESSION_MS });
  }

  const sessions: Sessions = {
    signedIn: (request) => look(request, true),
    async authenticate(request, isUse = true) {
      const person = await look(request, isUse);
      if (person === null) return null;
      if (request.method !== "GET" && request.method !== "HEAD") {
        sessions.requireSameOrigin(request);
      }
      return principalOf(person);
    },
    async requireFresh(request) {
      if (request.principal.subject.id.startsWith("key:")) return;
      const person = await sessions.signedIn(request);
      if (person !== null && isFresh(person, now())) return;
      throw new SondeError(
        "SIGN_IN_AGAIN",
        "expected a sign-in of the last ten minutes, got an older one",
      );
    },
    requireSameOrigin(request) {
      const { host, origin } = request.headers;
      const site = request.headers["sec-fetch-site"];
      const fetchSite = Array.isArray(site) ? site.join() : site;
      const said = { host, origin, fetchSite };
      if (isSameOrigin(said, cookies.schemeOf(request))) return;
      throw new SondeError(
        "ORIGIN_REFUSED",
        `expected a request of a page of this hub, got one of ${origin ?? fetchSite ?? "unknown origin"}`,
      );
    },
    async begin(request, reply, { id, methods }) {
      const before = await sessions.signedIn(request);
      if (before !== null) await sessions.end([before.sessionId], `person:${before.id}`);
      await add(request, reply, { id, methods, since: now(), renewed: false });
    },
    async renew(request, reply, { id, methods, authenticatedAt }) {
      const open = await store.list(id, now());
      await sessions.end(
        open.map(({ sessionId }) => sessionId),
        `person:${id}`,
      );
      await add(request, reply, { id, methods, since: authenticatedAt, renewed: true });
    },
    async end(ids, by) {
      for (const id of ids) {
        await auditLog.append(
          buildAuditRecord(now(), "session.ended", { principal: by, detail: { session: id } }),
        );
      }
      await store.end(ids);
    },
    async leave(request, reply) {
      const person = await sessions.signedIn(request);
      if (person !== null) await sessions.end([person.sessionId], `person:${person.id}`);
      if (cookies.read(request, "session") === undefined) return;
      cookies.set(request, reply, { name: "session", value: "", maxAgeMs: 0 });
    },
    forget(kind, id) {
      forgotten += 1;
      for (const [hash, { session }] of cache) {
        if ((kind === "session" ? session.sessionId : session.id) === id) cache.delete(hash);
      }
    },
  };
  return sessions;
}
