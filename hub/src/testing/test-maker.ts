import type { Sql } from "postgres";

const ID = "00000000-0000-4000-8000-000000000000";
/** Who makes the tokens by which tests enrol agents without asking the hub. */
export const TEST_MAKER = `key:${ID}`;

/** Adds that key, which may do nothing: a token works only while its maker is in force. */
export async function addTestMaker(sql: Sql): Promise<void> {
  const policy = { role: "client", agents: [], probes: [] };
  await sql`insert into api_keys (id, name, key_sha256, policy, created_at)
    values (${ID}, 'test', 'none', ${sql.json(policy)}, now())`;
}

/** Removes it, so that a test finds the keys that it made itself, and no other. */
export async function removeTestMaker(sql: Sql): Promise<void> {
  await sql`delete from api_keys where id = ${ID}`;
}
