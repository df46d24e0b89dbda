import type { NamedPolicy, Policy, PolicyHolder, PolicyRef } from "@sonde/schemas/policy";
import type { Sql, TransactionSql } from "postgres";
import type { Directory } from "../../directory/index.ts";

type Made = { by: string; at: Date };

/** Stores policies and who holds which. Each change is in force at every hub once it is told. */
export function createPolicyStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    async list(): Promise<NamedPolicy[]> {
      const rows = await sql<(Omit<NamedPolicy, "setAt"> & { setAt: Date })[]>`
        select name, policy, set_by as "setBy", set_at as "setAt" from policies order by name`;
      return rows.map(({ setAt, ...row }) => ({ ...row, setAt: setAt.toISOString() }));
    },
    async listHolders(): Promise<PolicyHolder[]> {
      return await sql<PolicyHolder[]>`select holder, policy from policy_holders order by holder`;
    },
    async set(name: string, policy: Policy, { by, at }: Made): Promise<void> {
      await directory.change([{ kind: "policy", id: name }], async (tx) => {
        await tx`insert into policies (name, policy, set_by, set_at)
          values (${name}, ${sql.json(policy)}, ${by}, ${at})
          on conflict (name) do update
          set policy = excluded.policy, set_by = excluded.set_by, set_at = excluded.set_at`;
      });
    },
    /**
     * Removes a policy that nobody holds.
     *
     * @returns who holds it; then it stays
     */
    async remove(name: string): Promise<string[]> {
      return await directory.change([{ kind: "policy", id: name }], async (tx) => {
        // No holder is added meanwhile: `hold` locks the policy's row.
        await tx`select 1 from policies where name = ${name} for update`;
        const holders = await tx<{ holder: string }[]>`select holder from policy_holders
          where policy ->> 'name' = ${name} order by holder`;
        if (holders.length === 0) await tx`delete from policies where name = ${name}`;
        return holders.map(({ holder }) => holder);
      });
    },
    /**
     * Gives a subject a policy in place of the one it holds.
     *
     * @returns false when no policy has the name; then nothing has changed
     */
    async hold(holder: string, policy: PolicyRef, { by, at }: Made): Promise<boolean> {
      return await directory.change([{ kind: "holder", id: holder }], async (tx) => {
        if (!(await hasPolicy(tx, policy))) return false;
        await tx`insert into policy_holders (holder, policy, set_by, set_at)
          values (${holder}, ${sql.json(policy)}, ${by}, ${at})
          on conflict (holder) do update
          set policy = excluded.policy, set_by = excluded.set_by, set_at = excluded.set_at`;
        return true;
      });
    },
    async release(holder: string): Promise<void> {
      await directory.change([{ kind: "holder", id: holder }], async (tx) => {
        await tx`delete from policy_holders where holder = ${holder}`;
      });
    },
  };
}
export type PolicyStore = ReturnType<typeof createPolicyStore>;

async function hasPolicy(tx: TransactionSql, policy: PolicyRef): Promise<boolean> {
  if (!("name" in policy)) return true;
  const rows = await tx`select 1 from policies where name = ${policy.name} for share`;
  return rows.length === 1;
}
