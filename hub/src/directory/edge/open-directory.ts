import { toSondeError } from "@sonde/schemas/errors";
import { keepTrying } from "@sonde/service";
import type { Sql, TransactionSql } from "postgres";
import type { Change } from "../core/facts.ts";
import { Memo } from "../core/memo.ts";
import { createFactSource } from "./fact-queries.ts";

const CHANNEL = "sonde_hub_changes";

/**
 * What this installation knows of agents, packs and pins. Durable in PostgreSQL, read from memory.
 * Several hubs may change it concurrently; each hears of the others' changes.
 */
export type Directory = Pick<
  Memo,
  "agents" | "agent" | "agentById" | "packs" | "pins" | "onChange"
> & {
  /**
   * Runs `work` in one transaction with the rows that name its changes. Resolves when the change is
   * durable and in this hub's memory; while the database cannot be read, this waits. Other hubs
   * follow soon after.
   *
   * @throws what `work` throws; then nothing has changed
   */
  change<T>(changes: Change[], work: (tx: TransactionSql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/**
 * @param report is called when changed facts could not be read; the read is retried every second
 */
export async function openDirectory(sql: Sql, report: (error: Error) => void): Promise<Directory> {
  const memo = new Memo(createFactSource(sql));
  const closing = new AbortController();
  /** Retries until the memo has the change, which is durable already. */
  const catchUp = async (read: () => Promise<void>): Promise<void> => {
    try {
      await keepTrying(read, report, closing.signal);
    } catch (thrown) {
      report(toSondeError(thrown));
    }
  };
  // Notifications are lost while the connection is down, so read all facts after each reconnect.
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

/** Only the trigger of migrations.ts writes this text. */
function parseChange(text: string): Change {
  const space = text.indexOf(" ");
  return { kind: text.slice(0, space) as Change["kind"], id: text.slice(space + 1) };
}
