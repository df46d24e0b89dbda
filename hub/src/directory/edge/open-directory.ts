import { toSondeError } from "@sonde/schemas/errors";
import { Digest, ProbeId, Uuid } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { PolicyHolderId, PolicyName } from "@sonde/schemas/policy";
import { keepTrying } from "@sonde/service";
import type { PendingQuery, Row, Sql, TransactionSql } from "postgres";
import { Type } from "typebox";
import type { Change } from "../core/facts.ts";
import { Memo } from "../core/memo.ts";
import { createFactSource } from "./fact-queries.ts";

const CHANNEL = "sonde_hub_changes";
/** Changes that come together, such as a fleet that returns, are read with one statement. */
const TOGETHER_MS = 20;

/**
 * What this installation knows of agents, packs, pins and policies. Durable in PostgreSQL, read from memory.
 * Several hubs may change it concurrently; each hears of the others' changes.
 */
export type Directory = Pick<
  Memo,
  | "agents"
  | "agent"
  | "tagged"
  | "agentById"
  | "packs"
  | "pins"
  | "policies"
  | "holders"
  | "onChange"
> & {
  /**
   * Runs `work` in one transaction with the rows that name its changes. Resolves when the change is
   * durable and in this hub's memory; while the database cannot be read, this waits. Other hubs
   * follow soon after.
   *
   * @throws what `work` throws; then nothing has changed
   */
  change<T>(changes: Change[], work: (tx: TransactionSql) => Promise<T>): Promise<T>;
  /**
   * Changes one agent's row, like `change` but in one statement and so in one round trip. A fleet that
   * comes back makes thousands of these.
   *
   * @param set the assignments
   * @param when further conditions
   * @returns false when no such row was as `when` says; then nothing has changed
   */
  changeAgent(agentId: string, set: Fragment, when?: Fragment): Promise<boolean>;
  close(): Promise<void>;
};

type Fragment = PendingQuery<Row[]>;

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
  const notified: Change[] = [];
  let timer: NodeJS.Timeout | undefined;
  const readTogether = (changes: Change[]): void => {
    notified.push(...changes);
    timer ??= setTimeout(() => {
      timer = undefined;
      const together = notified.splice(0);
      void catchUp(() => memo.refresh(together));
    }, TOGETHER_MS);
  };
  // Notifications are lost while the connection is down, so read all facts after each reconnect.
  let opened = false;
  const listening = await sql.listen(
    CHANNEL,
    (text) => readTogether(readNotified(text, report)),
    () => {
      if (opened) void catchUp(() => memo.reload());
    },
  );
  await memo.reload();
  opened = true;
  return {
    agents: () => memo.agents(),
    agent: (name) => memo.agent(name),
    tagged: (name) => memo.tagged(name),
    agentById: (id) => memo.agentById(id),
    packs: () => memo.packs(),
    pins: () => memo.pins(),
    policies: () => memo.policies(),
    holders: () => memo.holders(),
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
    async changeAgent(agentId, set, when = sql`true`) {
      const found = await sql`
        with changed as (update agents set ${set} where id = ${agentId} and ${when} returning id)
        insert into changes (kind, id) select 'agent', id from changed returning 1`;
      if (found.length === 0) return false;
      await catchUp(() => memo.refresh([{ kind: "agent", id: agentId }]));
      return true;
    },
    async close() {
      closing.abort();
      clearTimeout(timer);
      await listening.unlisten();
    },
  };
}

/** An address for one that is known by its document. */
const ClientId = Type.String({ pattern: "^[\\x21-\\x7e]{1,500}$" });
const of = <Kind extends Change["kind"]>(kind: Kind, id: typeof Uuid) =>
  Type.Object({ kind: Type.Literal(kind), id });
const parseChange = buildParser(
  Type.Union([
    of("agent", Uuid),
    of("pack", Digest),
    of("pin", ProbeId),
    of("api-key", Uuid),
    of("api-key-made", Uuid),
    of("grant", Uuid),
    of("client", ClientId),
    of("person", Uuid),
    of("session", Uuid),
    of("policy", PolicyName),
    of("holder", PolicyHolderId),
    of("hub", Uuid),
  ]),
  "notified change",
  "INTERNAL",
);

/**
 * Reads what the trigger of migrations.ts writes. Every login of the database can notify on every
 * channel, without any right on the hub's tables. So anything else is reported and left: the
 * database would refuse a read by an id of another form, and the hub would try that read for ever.
 */
function readNotified(text: string, report: (error: Error) => void): Change[] {
  const [kind, id, ...more] = text.split(" ");
  try {
    return [parseChange(more.length === 0 ? { kind, id } : text)];
  } catch (thrown) {
    report(toSondeError(thrown));
    return [];
  }
}
