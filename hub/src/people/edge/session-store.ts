import type { PersonRole, SignInMethod } from "@sonde/schemas/people";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";
import { IDLE_MS, type Session } from "../core/sessions.ts";

type Row = {
  sessionId: string;
  id: string;
  name: string;
  role: PersonRole;
  methods: SignInMethod[];
  createdAt: Date;
  seenAt: Date;
  expiresAt: Date;
};
type Listed = Omit<Row, "id" | "name" | "role"> & { address: string; browser: string };

export type NewSession = {
  id: string;
  secret: string;
  personId: string;
  methods: SignInMethod[];
  since: Date;
  seenAt: Date;
  expiresAt: Date;
  address: string;
  browser: string;
};

/** Stores sessions by the hash of what the browser has. Every hub hears of one that ended. */
export function createSessionStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    async add(session: NewSession): Promise<void> {
      const { id, secret, personId, methods, since, seenAt, expiresAt, address, browser } = session;
      await sql`insert into person_sessions
        (id, secret_sha256, person_id, methods, created_at, seen_at, expires_at, address, browser)
        values (${id}, ${hashSecret(secret)}, ${personId}, ${methods}, ${since}, ${seenAt},
          ${expiresAt},
          ${address}, ${browser})`;
      const idle = new Date(seenAt.getTime() - IDLE_MS);
      await sql`delete from person_sessions where expires_at <= ${seenAt} or seen_at <= ${idle}`;
    },
    async find(secret: string): Promise<Session | null> {
      const [row] = await sql<Row[]>`
        select s.id as "sessionId", p.id, p.name, p.role, s.methods, s.created_at as "createdAt",
          s.seen_at as "seenAt", s.expires_at as "expiresAt"
        from person_sessions s join people p on p.id = s.person_id
        where s.secret_sha256 = ${hashSecret(secret)} and p.disabled_at is null`;
      if (row === undefined) return null;
      const { createdAt: authenticatedAt, ...session } = row;
      return { ...session, authenticatedAt };
    },
    async touch(id: string, at: Date): Promise<void> {
      await sql`update person_sessions set seen_at = ${at} where id = ${id} and seen_at < ${at}`;
    },
    /** Those in force, the newest first. */
    async list(personId: string, now: Date): Promise<Listed[]> {
      return await sql<Listed[]>`
        select id as "sessionId", methods, created_at as "createdAt", seen_at as "seenAt",
          expires_at as "expiresAt", address, browser
        from person_sessions where person_id = ${personId} and expires_at > ${now}
          and seen_at > ${new Date(now.getTime() - IDLE_MS)}
        order by created_at desc, id`;
    },
    /** How many there are in force, of all people. */
    async count(now: Date): Promise<number> {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::integer as count from person_sessions where expires_at > ${now}
          and seen_at > ${new Date(now.getTime() - IDLE_MS)}`;
      return row?.count ?? 0;
    },
    async end(ids: string[]): Promise<void> {
      const changes = ids.map((id) => ({ kind: "session" as const, id }));
      if (changes.length === 0) return;
      await directory.change(changes, async (tx) => {
        await tx`delete from person_sessions where id = any(${ids})`;
      });
    },
  };
}
export type SessionStore = ReturnType<typeof createSessionStore>;
