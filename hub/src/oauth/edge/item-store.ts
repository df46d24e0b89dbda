import type { Sql } from "postgres";
import { hashSecret } from "../../directory/index.ts";

/** What the library keeps of a code, a token or a request. Opaque to the hub, but for these. */
export type Payload = Record<string, unknown> & { grantId?: string; userCode?: string };

export type FoundItem = {
  payload: Payload;
  /** When and from where its one use was; null before. */
  consumed: { at: Date; from: string } | null;
};

/**
 * Keeps codes, tokens and requests under way. Durable, shared by all hubs of the database. Each is
 * found by the hash of its secret, and the secret itself is nowhere (attack 16).
 */
export function createItemStore(sql: Sql, now: () => Date) {
  return {
    async put(model: string, id: string, payload: Payload, ttlSeconds: number): Promise<void> {
      // The library puts the secret itself and the user's code into the payload.
      const { jti: _secret, userCode, ...kept } = payload;
      const code = typeof userCode === "string" ? hashSecret(userCode) : null;
      const expiresAt = new Date(now().getTime() + ttlSeconds * 1000);
      await sql`
        insert into oauth_items (model, id_sha256, payload, grant_id, user_code_sha256, expires_at)
        values (${model}, ${hashSecret(id)}, ${sql.json(kept as never)}, ${payload.grantId ?? null},
          ${code}, ${expiresAt})
        on conflict (model, id_sha256) do update set payload = excluded.payload,
          grant_id = excluded.grant_id, expires_at = excluded.expires_at,
          user_code_sha256 = excluded.user_code_sha256`;
    },
    /** Also a consumed one. Null for one that is not there, or over. */
    async find(model: string, id: string): Promise<FoundItem | null> {
      const [row] = await sql<Row[]>`
        select payload, consumed_at as "consumedAt", consumed_from as "consumedFrom"
        from oauth_items
        where model = ${model} and id_sha256 = ${hashSecret(id)} and expires_at > ${now()}`;
      return row === undefined ? null : { ...toItem(row), payload: { ...row.payload, jti: id } };
    },
    /**
     * The request that shows a user code. Its device code is not known: whoever types the code has
     * only that.
     */
    async findByUserCode(model: string, userCode: string): Promise<FoundItem | null> {
      const [row] = await sql<Row[]>`
        select payload, consumed_at as "consumedAt", consumed_from as "consumedFrom"
        from oauth_items where model = ${model} and user_code_sha256 = ${hashSecret(userCode)}
          and expires_at > ${now()}`;
      return row === undefined ? null : { ...toItem(row), payload: { ...row.payload, userCode } };
    },
    /** Decides about a request that shows a user code. @returns false when somebody decided already */
    async answerUserCode(model: string, userCode: string, answer: Payload): Promise<boolean> {
      const answered = await sql`
        update oauth_items set payload = payload || ${sql.json(answer as never)},
          grant_id = ${answer.grantId ?? null}, user_code_sha256 = null
        where model = ${model} and user_code_sha256 = ${hashSecret(userCode)}
          and expires_at > ${now()} and consumed_at is null returning 1`;
      return answered.length === 1;
    },
    /** @returns false when it was used before: of two at once, one has it */
    async consume(model: string, id: string, from: string): Promise<boolean> {
      const consumed = await sql`
        update oauth_items set consumed_at = ${now()}, consumed_from = ${from}
        where model = ${model} and id_sha256 = ${hashSecret(id)} and consumed_at is null returning 1`;
      return consumed.length === 1;
    },
    async remove(model: string, id: string): Promise<void> {
      await sql`delete from oauth_items where model = ${model} and id_sha256 = ${hashSecret(id)}`;
    },
    async expire(): Promise<void> {
      await sql`delete from oauth_items where expires_at <= ${now()}`;
      await sql`delete from oauth_assertions where expires_at <= ${now()}`;
    },
  };
}
export type ItemStore = ReturnType<typeof createItemStore>;

type Row = { payload: Payload; consumedAt: Date | null; consumedFrom: string | null };

function toItem({ payload, consumedAt, consumedFrom }: Row): FoundItem {
  const consumed = consumedAt === null ? null : { at: consumedAt, from: consumedFrom ?? "" };
  return { payload, consumed };
}
