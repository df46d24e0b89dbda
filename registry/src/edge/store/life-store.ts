import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import { type Advisory, type PackChange, type PackLife } from "@sonde/schemas/registry";
import type { Sql, TransactionSql } from "postgres";
import type { Principal } from "../../core/authorize.ts";
import { NEW_LIFE, changeLife } from "../../core/pack-life.ts";
import type { LogStore } from "./log-store.ts";
import type { PackStore } from "./pack-store.ts";
import { createRecentlyUsed } from "./recently-used.ts";
import { demandInForce } from "./token-store.ts";

/** Size of the LRU cache of lives, in characters. */
const MAX_KNOWN_CHARACTERS = 2 * 1024 * 1024;

/** Stores the lives of packs: what was said about them after publishing. */
export function createLifeStore(sql: Sql, log: LogStore, packs: PackStore) {
  // The registry is the only writer, so the cache stays valid until its own next change.
  let remembered = createRecentlyUsed<PackLife>(MAX_KNOWN_CHARACTERS);
  let changes = 0;

  /** @returns the pack's life after the change, and whether it changed */
  async function apply(transaction: TransactionSql, change: PackChange, by: Advisory["by"]) {
    const { name } = change;
    const [row] = await transaction<{ life: string }[]>`
      select life from pack_names where name = ${name} for update`;
    if (row === undefined) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
    const before = JSON.parse(row.life) as PackLife;
    const after = changeLife(before, change, by);
    if (after === null) return { life: before, isNew: false };
    await transaction`update pack_names set life = ${JSON.stringify(after)} where name = ${name}`;
    if ("version" in change) await packs.followLife(transaction, name, after);
    await packs.writeSaid(transaction, name, after);
    return { life: after, isNew: true };
  }

  return {
    /** Returns a pack's life. An unknown pack has a new one. */
    async readLife(name: PackName): Promise<PackLife> {
      const present = remembered.get(name);
      if (present !== undefined) return present;
      const before = changes;
      const [row] = await sql<{ life: string }[]>`select life from pack_names where name = ${name}`;
      if (row === undefined) return NEW_LIFE;
      const life = JSON.parse(row.life) as PackLife;
      // A read that overlapped a change may be stale, so do not cache it.
      if (before === changes) remembered.set(name, life, row.life.length);
      return life;
    },

    /**
     * Applies a change and appends it to the log, atomically. Idempotent: a repeated change adds no
     * entry.
     *
     * @throws SondeError NOT_FOUND without that pack or version, BAD_REQUEST, FORBIDDEN,
     *   UNAUTHENTICATED when the caller's token ended meanwhile
     */
    async change(change: PackChange, caller: Principal): Promise<PackLife> {
      const { name } = change;
      const by = caller.role === "operator" ? "operator" : "publisher";
      const life = await sql.begin(async (transaction) => {
        await demandInForce(transaction, caller, new Date(change.at));
        const applied = await apply(transaction, change, by);
        if ("version" in change) {
          const { version } = change;
          const [known] = await transaction`
            select 1 from versions where name = ${name} and version = ${version}`;
          if (known === undefined) {
            const sentence = `expected a published version, got ${name} ${version}`;
            throw new SondeError("NOT_FOUND", sentence);
          }
        }
        if (applied.isNew) await log.append(transaction, change);
        return applied.life;
      });
      changes += 1;
      remembered.set(name, life, JSON.stringify(life).length);
      return life;
    },

    /** Applies a change that the log has already, in the transaction of an import. */
    async replay(transaction: TransactionSql, change: PackChange): Promise<void> {
      await apply(transaction, change, "unknown");
    },

    /** Clears the cache. Call it after a transaction with replayed changes. */
    forget(): void {
      changes += 1;
      remembered = createRecentlyUsed(MAX_KNOWN_CHARACTERS);
    },
  };
}
export type LifeStore = ReturnType<typeof createLifeStore>;
