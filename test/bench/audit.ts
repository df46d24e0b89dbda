import { randomUUID } from "node:crypto";
import { openDatabase } from "@sonde/database";
import { startTestServer } from "@sonde/database/testing";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import type { Sql } from "postgres";
import { type AuditStore, createAuditStore, openAudit } from "../../hub/src/audit/index.ts";
import { createLogSearch, type Wanted } from "../../hub/src/audit/edge/log-search.ts";
import { migrations } from "../../hub/src/migrations.ts";
import { fillLog } from "./audit-rows.ts";
import { ratePerSecond, round, summarize, timeEach } from "./statistics.ts";

const CALLERS = [1, 64, 512];
const ANY: Wanted = {
  ...{ principals: null, agents: null, probe: null, tool: null, event: null, decision: null },
  ...{ status: null, call: null, since: null, until: null, text: null },
};
const key = (number: number) => `key:00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const agents = (count: number) => Array.from({ length: count }, (_, index) => `host-${index * 5}`);
/** How long the filled log goes back, in ms for each entry. */
const EACH_MS = 360;
const END = Date.parse("2026-06-01T00:00:00Z");
const ago = (entries: number) => new Date(END - entries * EACH_MS);

/** One of each kind of filter, frequent and rare, alone and together. */
const QUESTIONS = (rows: number): [string, Partial<Wanted>][] => [
  ["nothing", {}],
  ["agent", { agents: ["host-77"] }],
  ["tag of 200 agents", { agents: agents(200) }],
  ["tag of 1000 agents", { agents: agents(1_000) }],
  ["person with 5 subjects", { principals: [1, 2, 3, 4, 5].map(key) }],
  ["principal", { principals: [key(77)] }],
  ["probe", { probe: "nginx.status" }],
  ["tool", { tool: { name: "system_disk_usage", probe: "system.disk.usage" } }],
  ["tool of the hub", { tool: { name: "list_agents", probe: "list.agents" } }],
  ["rare event", { event: "agent.tagged" }],
  ["frequent event", { event: "call.response" }],
  ["decision deny", { decision: "deny" }],
  ["decision allow", { decision: "allow" }],
  ["status failure", { status: "failure" }],
  ["call", { call: "00000000-0000-4000-9000-000000000100" }],
  ["time, the middle hour", { since: ago(rows / 2), until: ago(rows / 2 - 10_000) }],
  ["text, frequent", { text: "/SRV/7" }],
  ["text, nowhere", { text: "no such text" }],
  ["agent and failure", { agents: ["host-77"], status: "failure" }],
  ["agent, probe and time", { agents: ["host-77"], probe: "nginx.status", since: ago(rows) }],
  ["person and text", { principals: [1, 2, 3, 4, 5].map(key), text: "/srv/976" }],
  ["agent that is nowhere", { agents: ["gone-1"] }],
];

/** The audit log alone, over a PostgreSQL that syncs: how fast it is written, and asked. */
export async function measureAudit(quick: boolean, rows: number, say: (text: string) => void) {
  const append = await measureAppend(quick, say);
  const query = await measureQuery(quick ? 20 : 100, rows, say);
  const slowest = Math.max(...Object.values(query.byFilter).map(({ p95Ms }) => p95Ms));
  const ambitions = [
    {
      what: `query by filter on ${rows} rows, p95 of the slowest kind, ms`,
      limit: 50,
      got: slowest,
      met: slowest <= 50,
    },
    ...append.map(({ callers, share }) => ({
      what: `append at ${callers} callers against bare commits of the same bytes and grouping`,
      limit: 0.5,
      got: share,
      met: share >= 0.5,
    })),
  ];
  return { append, query, ambitions };
}

async function open() {
  const server = await startTestServer(["max_wal_size=4GB"]);
  const database = await openDatabase({
    ...{ dataDir: "/nonexistent", url: server.url, schema: "hub", migrations, maxConnections: 8 },
    onLost(error) {
      throw error;
    },
  });
  const close = async (): Promise<void> => {
    await database.close();
    await server.close();
  };
  return { sql: database.sql, close };
}

type Rate = { callers: number; perSecond: number; barePerSecond: number; share: number };

async function measureAppend(quick: boolean, say: (text: string) => void): Promise<Rate[]> {
  const { sql, close } = await open();
  try {
    await sql`create table bare (seq bigint generated always as identity, record text not null)`;
    const found: Rate[] = [];
    for (const callers of CALLERS) {
      say(`append at ${callers} callers ...`);
      const count = Math.ceil((callers === 1 ? 2_000 : 40_000) / (quick ? 10 : 1));
      const batches: AuditEntry[][] = [];
      const store = createAuditStore(sql, randomUUID());
      const log = await openAudit(noting(store, batches));
      await ratePerSecond(count / 10, callers, () => log.append(buildCall()));
      batches.length = 0;
      const perSecond = await ratePerSecond(count, callers, () => log.append(buildCall()));
      const barePerSecond = await measureBare(sql, batches);
      found.push({ callers, perSecond, barePerSecond, share: round(perSecond / barePerSecond) });
    }
    return found;
  } finally {
    await close();
  }
}

/** The same store; notes what is written together. */
function noting(store: AuditStore, batches: AuditEntry[][]): AuditStore {
  return {
    ...store,
    append(head, entries) {
      batches.push(entries);
      return store.append(head, entries);
    },
  };
}

async function measureBare(sql: Sql, batches: readonly AuditEntry[][]): Promise<number> {
  const texts = batches.map((entries) => entries.map(({ record }) => JSON.stringify(record)));
  const started = performance.now();
  for (const some of texts) {
    await sql`insert into bare (record) select * from unnest(${sql.array(some)}::text[])`;
  }
  const seconds = (performance.now() - started) / 1_000;
  return round(texts.flat().length / seconds);
}

let made = 0;
/** A request and an answer in turn, as calls have them. */
function buildCall() {
  made += 1;
  const pair = Math.floor(made / 2);
  const known = {
    callId: `00000000-0000-4000-9000-${String(pair).padStart(12, "0")}`,
    principal: key(pair % 128),
    agent: `host-${pair % 1_024}`,
    probe: "system.disk.usage",
    packDigest: `sha256:${"ab".repeat(32)}`,
    status: "ok" as const,
  };
  return made % 2 === 0
    ? buildAuditRecord(new Date(), "call.request", {
        ...known,
        detail: { decision: "allow", params: { path: `/srv/${pair}` }, filling: "x".repeat(300) },
      })
    : buildAuditRecord(new Date(), "call.response", {
        ...{ ...known, durationMs: 12.5 },
        detail: { redactions: { count: 0 }, bytes: 2_048, filling: "x".repeat(900) },
      });
}

async function measureQuery(turns: number, rows: number, say: (text: string) => void) {
  const { sql, close } = await open();
  try {
    say(`${rows} rows ...`);
    const began = performance.now();
    await fillLog(sql, rows);
    const fillSeconds = round((performance.now() - began) / 1_000);
    const [size] = await sql<{ table: string; indexes: string }[]>`
      select pg_size_pretty(pg_table_size('audit_log')) as table,
        pg_size_pretty(pg_indexes_size('audit_log')) as indexes`;
    const log = await openAudit(createAuditStore(sql, randomUUID()));
    const search = createLogSearch(sql);
    const byFilter: Record<string, ReturnType<typeof summarize>> = {};
    for (const [what, some] of QUESTIONS(rows)) {
      say(what);
      const wanted = { ...ANY, ...some };
      let turn = 0;
      // As the route does: the reading is recorded, and every other page is somewhere in the log.
      const ask = async () => {
        await log.append(buildAuditRecord(new Date(), "log.read", { detail: { search: some } }));
        const { size: newest } = await log.readHead();
        const to = turn++ % 2 === 0 ? newest : Math.ceil(Math.random() * newest);
        const bounds = await search.boundsOf(wanted, { from: 1, to });
        if (bounds !== null) await search.page(wanted, bounds, "newest", 100);
      };
      byFilter[what] = summarize(await timeEach(turns, ask));
    }
    return { rows, fillSeconds, ...size, byFilter };
  } finally {
    await close();
  }
}
