import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole } from "@sonde/schemas/people";
import type { Sql } from "postgres";
import { hashSecret } from "../../directory/index.ts";
import { makerInForce } from "../../identity/index.ts";

export type Link = {
  id: string;
  role: PersonRole;
  createdAt: Date;
  /** The principal that gave it; null for the hub itself. */
  createdBy: string | null;
  expiresAt: Date;
};

/** Stores one-time links by the hash of their secret. `PersonStore.join` uses them up. */
export function createLinkStore(sql: Sql) {
  return {
    async add(link: Link, secretHash: string): Promise<void> {
      const { id, role, createdAt, createdBy, expiresAt } = link;
      await sql`insert into person_links
        (id, secret_sha256, role, created_at, created_by, expires_at)
        values (${id}, ${secretHash}, ${role}, ${createdAt}, ${createdBy}, ${expiresAt})`;
      await sql`delete from person_links where expires_at <= ${createdAt}`;
    },
    /** @throws SondeError LINK_REFUSED, the same for every reason */
    async find(secret: string, now: Date): Promise<Link> {
      const [link] = await sql<Link[]>`
        select id, role, created_at as "createdAt", created_by as "createdBy",
          expires_at as "expiresAt"
        from person_links where secret_sha256 = ${hashSecret(secret)} and expires_at > ${now}
          and ${makerInForce(sql, "person_links.created_by")}`;
      if (link !== undefined) return link;
      throw new SondeError(
        "LINK_REFUSED",
        "expected a link in force, got one that was used, ended or never given",
      );
    },
    async list(now: Date): Promise<Link[]> {
      return await sql<Link[]>`
        select id, role, created_at as "createdAt", created_by as "createdBy",
          expires_at as "expiresAt"
        from person_links where expires_at > ${now} and ${makerInForce(sql, "person_links.created_by")}
        order by created_at, id`;
    },
    async remove(id: string): Promise<boolean> {
      return (await sql`delete from person_links where id = ${id} returning 1`).length === 1;
    },
  };
}
export type LinkStore = ReturnType<typeof createLinkStore>;
