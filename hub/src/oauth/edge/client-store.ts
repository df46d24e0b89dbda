import { SondeError } from "@sonde/schemas/errors";
import type { Sql } from "postgres";
import type { Directory } from "../../directory/index.ts";

/** Clients that registered themselves, together and from one address in an hour. */
const MAX_CLIENTS = 1_000;
const MAX_AN_HOUR = 30;
const HOUR_MS = 3_600_000;
/** One that no person let in is forgotten after a day, another after as long as a grant lasts. */
const UNUSED_MS = 24 * HOUR_MS;
const IDLE_MS = 30 * 24 * HOUR_MS;

export type ClientMetadata = Record<string, unknown>;
export type RegisteredClient = {
  id: string;
  metadata: ClientMetadata;
  registeredAt: Date;
  usedAt: Date | null;
};

/** Keeps clients that registered themselves (RFC 7591). Durable, bounded, shared by all hubs. */
export function createClientStore(sql: Sql, directory: Pick<Directory, "change">, now: () => Date) {
  const before = (ms: number) => new Date(now().getTime() - ms);
  return {
    /** @throws SondeError TOO_MANY_ATTEMPTS: anybody may register, so nobody may fill the table */
    async add(id: string, metadata: ClientMetadata, from: string): Promise<void> {
      const [counted] = await sql<{ all: number; recent: number }[]>`
        select count(*)::integer as all, (count(*) filter (
          where registered_from = ${from} and registered_at > ${before(HOUR_MS)}
        ))::integer as recent from oauth_clients`;
      if ((counted?.recent ?? 0) >= MAX_AN_HOUR) {
        throw new SondeError(
          "TOO_MANY_ATTEMPTS",
          `${MAX_AN_HOUR} clients were registered from ${from} within an hour`,
        );
      }
      if ((counted?.all ?? 0) >= MAX_CLIENTS) {
        throw new SondeError("TOO_MANY_ATTEMPTS", `${MAX_CLIENTS} clients are registered already`);
      }
      await directory.change(
        [{ kind: "client", id }],
        (tx) => tx`
        insert into oauth_clients (id, metadata, registered_at, registered_from)
        values (${id}, ${sql.json(metadata as never)}, ${now()}, ${from})`,
      );
    },
    async find(id: string): Promise<ClientMetadata | null> {
      const [row] = await sql<{ metadata: ClientMetadata }[]>`
        select metadata from oauth_clients where id = ${id}`;
      return row?.metadata ?? null;
    },
    /** Notes that a person let it in, or that it came with a token of theirs. */
    async touch(id: string): Promise<void> {
      await sql`update oauth_clients set used_at = ${now()} where id = ${id}`;
    },
    async list(): Promise<RegisteredClient[]> {
      return await sql<RegisteredClient[]>`
        select id, metadata, registered_at as "registeredAt", used_at as "usedAt"
        from oauth_clients order by registered_at desc, id`;
    },
    async remove(id: string): Promise<boolean> {
      return await directory.change([{ kind: "client", id }], async (tx) => {
        const removed = await tx`delete from oauth_clients where id = ${id} returning 1`;
        return removed.length === 1;
      });
    },
    async expire(): Promise<void> {
      await sql`delete from oauth_clients
        where coalesce(used_at <= ${before(IDLE_MS)}, registered_at <= ${before(UNUSED_MS)})`;
    },
  };
}
export type ClientStore = ReturnType<typeof createClientStore>;
