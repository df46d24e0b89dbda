import type { GrantEnd } from "@sonde/schemas/oauth";
import type { AgentSelector } from "@sonde/schemas/tags";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";

/** What a person granted to a client. */
export type OAuthGrant = {
  id: string;
  personId: string;
  clientId: string;
  /** As the client says, unverified. */
  clientName: string;
  /** Where its codes go: what is known of it. */
  clientHost: string;
  resource: string;
  scopes: string[];
  /** The person narrowed it to these. */
  agents: "*" | AgentSelector[];
};

export type GrantSummary = OAuthGrant & {
  personName: string;
  grantedAt: Date;
  usedAt: Date | null;
  expiresAt: Date;
  endedAt: Date | null;
  endedBecause: GrantEnd | null;
};

/** An access token that is in force, with the person of its grant. */
export type TokenRow = OAuthGrant & { tokenScopes: string[]; audience: string; expiresAt: Date };

/** Chooses grants: of a person, of a client, or one. */
export type ChosenGrants = { personId: string } | { clientId: string } | { grantId: string };

/** A grant that nobody used for this long is over. */
const IDLE_MS = 30 * 24 * 3_600_000;
/** Ended ones are listed this long. */
const LISTED_MS = 30 * 24 * 3_600_000;
/** Of one person. Of more, the one that was used least recently ends. */
const MAX_PER_PERSON = 100;

/**
 * Keeps grants and what hangs on them. Durable. Every hub of the database hears of the end of one
 * before `end` resolves here, and soon after elsewhere.
 */
export function createGrantStore(sql: Sql, directory: Pick<Directory, "change">, now: () => Date) {
  const columns = sql`g.id, g.person_id as "personId", g.client_id as "clientId",
    g.client_name as "clientName", g.client_host as "clientHost", g.resource, g.scopes, g.agents`;
  const inForce = () => sql`g.ended_at is null and g.expires_at > ${now()}`;

  const store = {
    /** @param idleMs how long it lasts without a use */
    async add(grant: OAuthGrant, idleMs = IDLE_MS): Promise<void> {
      const at = now();
      await directory.change(
        // A new grant has nothing open that could end.
        [{ kind: "client", id: grant.clientId }],
        (tx) => tx`
        insert into oauth_grants (id, person_id, client_id, client_name, client_host, resource,
          scopes, agents, granted_at, expires_at)
        values (${grant.id}, ${grant.personId}, ${grant.clientId}, ${grant.clientName},
          ${grant.clientHost}, ${grant.resource}, ${grant.scopes}, ${sql.json(grant.agents)}, ${at},
          ${new Date(at.getTime() + idleMs)})`,
      );
      const beyond = await sql<{ id: string }[]>`
        select id from oauth_grants g where person_id = ${grant.personId} and ${inForce()}
        order by coalesce(used_at, granted_at) desc, id offset ${MAX_PER_PERSON}`;
      await store.end(
        beyond.map(({ id }) => id),
        { because: "too-many", by: null },
      );
    },
    /** Null for one that has ended. */
    async find(id: string): Promise<(OAuthGrant & { expiresAt: Date }) | null> {
      const [row] = await sql<(OAuthGrant & { expiresAt: Date })[]>`
        select ${columns}, g.expires_at as "expiresAt" from oauth_grants g
        where g.id = ${id} and ${inForce()}`;
      return row ?? null;
    },
    /** What the person granted last to that client at that resource, to show it again. */
    async findLast(of: Pick<OAuthGrant, "personId" | "clientId" | "resource">) {
      const [row] = await sql<OAuthGrant[]>`
        select ${columns} from oauth_grants g
        where g.person_id = ${of.personId} and g.client_id = ${of.clientId}
          and g.resource = ${of.resource} and ${inForce()}
        order by g.granted_at desc limit 1`;
      return row ?? null;
    },
    /** Null for a token that is over, unknown, or of a grant that has ended. */
    async findToken(secret: string): Promise<TokenRow | null> {
      const [row] = await sql<TokenRow[]>`
        select ${columns}, string_to_array(i.payload ->> 'scope', ' ') as "tokenScopes",
          i.payload ->> 'aud' as audience, i.expires_at as "expiresAt"
        from oauth_items i join oauth_grants g on g.id = i.grant_id
        where i.model = 'AccessToken' and i.id_sha256 = ${hashSecret(secret)}
          and i.expires_at > ${now()} and ${inForce()}`;
      return row ?? null;
    },
    /** Called for each use of a refresh token: an unused grant ends by itself. */
    async touch(id: string): Promise<void> {
      const at = now();
      await sql`update oauth_grants set used_at = ${at},
        expires_at = ${new Date(at.getTime() + IDLE_MS)} where id = ${id} and ended_at is null`;
    },
    /** @param personId null for those of everybody */
    async list(personId: string | null): Promise<GrantSummary[]> {
      const whose = personId === null ? sql`true` : sql`g.person_id = ${personId}`;
      return await sql<GrantSummary[]>`
        select ${columns}, coalesce(p.name, 'deleted') as "personName", g.granted_at as "grantedAt",
          g.used_at as "usedAt", g.expires_at as "expiresAt", g.ended_at as "endedAt",
          g.ended_because as "endedBecause"
        from oauth_grants g left join people p on p.id = g.person_id
        where ${whose} order by g.granted_at desc, g.id limit 1000`;
    },
    /** Ids of all grants, also of those that have ended. */
    async listIds(of: { personId: string } | { clientId: string }): Promise<string[]> {
      const chosen =
        "personId" in of ? sql`person_id = ${of.personId}` : sql`client_id = ${of.clientId}`;
      const rows = await sql<{ id: string }[]>`select id from oauth_grants where ${chosen}`;
      return rows.map(({ id }) => id);
    },
    /** Ids of grants in force. */
    async listInForce(of: ChosenGrants): Promise<string[]> {
      const chosen =
        "personId" in of
          ? sql`g.person_id = ${of.personId}`
          : "clientId" in of
            ? sql`g.client_id = ${of.clientId}`
            : sql`g.id = ${of.grantId}`;
      const rows = await sql<{ id: string }[]>`
        select id from oauth_grants g where ${chosen} and ${inForce()}`;
      return rows.map(({ id }) => id);
    },
    /**
     * Ends grants with all of their codes and tokens.
     *
     * @param by the principal that ended it; null for the hub itself
     * @returns those that were in force
     */
    async end(ids: readonly string[], { because, by }: { because: GrantEnd; by: string | null }) {
      if (ids.length === 0) return [];
      const changes = ids.map((id) => ({ kind: "grant" as const, id }));
      return await directory.change(changes, async (tx) => {
        const ended = await tx<(OAuthGrant & { personId: string })[]>`
          update oauth_grants g set ended_at = ${now()}, ended_because = ${because},
            ended_by = ${by}
          where g.id = any(${[...ids]}) and g.ended_at is null returning ${columns}`;
        await tx`delete from oauth_items where grant_id = any(${[...ids]})`;
        return ended;
      });
    },
    async expire(): Promise<void> {
      const before = new Date(now().getTime() - LISTED_MS);
      await sql`delete from oauth_grants
        where ended_at <= ${before} or (ended_at is null and expires_at <= ${before})`;
    },
  };
  return store;
}
export type GrantStore = ReturnType<typeof createGrantStore>;
