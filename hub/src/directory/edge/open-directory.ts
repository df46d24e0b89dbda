import { toSondeError } from "@sonde/schemas/errors";
import { keepTrying } from "@sonde/service";
import type { Sql, TransactionSql } from "postgres";
import type { Change } from "../core/facts.ts";
import { Memo } from "../core/memo.ts";
import { createFactSource } from "./fact-queries.ts";

const CHANNEL = "sonde_hub_changes";

/**
 * What this installation knows of agents, packs and approved words. Durable in PostgreSQL, read
 * from memory; several hubs may change it at once, and each hears of the others' changes.
 */
export type Directory = Pick<
  Memo,
  "agents" | "agent" | "agentById" | "packs" | "pins" | "onChange"
> & {
  /**
   * Does `work` in one transaction together with the rows that name what it changes. Resolves when
   * the change is durable and this hub's memory has it, which takes as long as the database cannot
   * be read; other hubs have it soon after.
   *
   * @throws what `work` throws; then nothing has changed
   */
  change<T>(changes: Change[], work: (tx: TransactionSql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** @param report hears of facts that could not be read again; they are tried again every second */
export async function openDirectory(sql: Sql, report: (error: Error) => void): Promise<Directory> {
  const memo = new Memo(createFactSource(sql));
  const closing = new AbortController();
  /** What became another fact is durable: it is read until the memo has it. */
  const catchUp = async (read: () => Promise<void>): Promise<void> => {
    try {
      await keepTrying(read, report, closing.signal);
    } catch (thrown) {
      report(toSondeError(thrown));
    }
  };
  // Notifications are lost while the connection is: whenever it is there again, all is read anew.
  let opened = false;
  const listening = await sql.listen(
    CHANNEL,
    (text) => void catchUp(() => memo.refresh([parseChange(text)])),
    () => {
      if (opened) void catchUp(() => memo.reload());
    },
  );
  await memo.reload();
  opened = true;
  return {
    agents: () => memo.agents(),
    agent: (name) => memo.agent(name),
    agentById: (id) => memo.agentById(id),
    packs: () => memo.packs(),
    pins: () => memo.pins(),
    onChange: (listener) => memo.onChange(listener),
    async change(changes, work) {
      const done = await sql.begin(async (tx) => {
        const result = await work(tx);
        await tx`insert into changes ${tx(changes, "kind", "id")}`;
        return { result };
      });
      await catchUp(() => memo.refresh(changes));
      return done.result;
    },
    async close() {
      closing.abort();
      await listening.unlisten();
    },
  };
}

/** Written by the trigger alone; see migrations.ts. */
function parseChange(text: string): Change {
  const space = text.indexOf(" ");
  return { kind: text.slice(0, space) as Change["kind"], id: text.slice(space + 1) };
}
