import { randomUUID } from "node:crypto";
import { buildAuditRecord } from "@sonde/schemas/audit";
import { proveConsistency, proveInclusion } from "@sonde/trust/log";
import type { Sql } from "postgres";
import { createAuditStore, openAudit } from "../../hub/src/audit/index.ts";
import { createLogSearch, type Wanted } from "../../hub/src/audit/edge/log-search.ts";
import { createTreeStore } from "../../hub/src/audit/edge/tree-store.ts";
import { keyOf, measureAppend } from "./audit-append.ts";
import { openAuditDatabase } from "./audit-database.ts";
import { fillLog } from "./audit-rows.ts";
import { measureVerifyLog } from "./audit-verify.ts";
import { round, summarize, timeEach } from "./statistics.ts";

const ANY: Wanted = {
  ...{ principals: null, agents: null, probe: null, tool: null, event: null, decision: null },
  ...{ status: null, call: null, since: null, until: null, text: null },
};
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
  ["person with 5 subjects", { principals: [1, 2, 3, 4, 5].map(keyOf) }],
  ["principal", { principals: [keyOf(77)] }],
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
  ["person and text", { principals: [1, 2, 3, 4, 5].map(keyOf), text: "/srv/976" }],
  ["agent that is nowhere", { agents: ["gone-1"] }],
];

/** The audit log alone, over a PostgreSQL that syncs: how fast it is written, and asked. */
export async function measureAudit(quick: boolean, rows: number, say: (text: string) => void) {
  const append = await measureAppend(quick, say);
  const verify = await measureVerifyLog(quick ? 100_000 : 1_000_000, say);
  const query = await measureQuery(quick ? 20 : 100, rows, say);
  const slowest = Math.max(...Object.values(query.byFilter).map(({ p95Ms }) => p95Ms));
  const ambitions = [
    {
      what: `verify of ${verify.entries} entries, seconds`,
      limit: (8 * verify.entries) / 1_000_000,
      got: verify.seconds,
      met: verify.seconds <= (8 * verify.entries) / 1_000_000,
    },
    {
      what: `query by filter on ${rows} rows, p95 of the slowest kind, ms`,
      limit: 50,
      got: slowest,
      met: slowest <= 50,
    },
    {
      what: `proof of one entry of ${rows}, median in ms`,
      limit: 5,
      got: query.inclusion.p50Ms,
      met: query.inclusion.p50Ms <= 5,
    },
    ...append
      .filter(({ callers }) => callers === 64)
      .map(({ callers, share }) => ({
        what: `append at ${callers} callers against as many that commit a bare row each`,
        limit: 0.8,
        got: share,
        met: share >= 0.8,
      })),
  ];
  return { append, verify, query, ambitions };
}

async function measureQuery(turns: number, rows: number, say: (text: string) => void) {
  const { sql, close } = await openAuditDatabase();
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
    say("the tree, and proofs ...");
    return { rows, fillSeconds, ...size, byFilter, ...(await measureProofs(sql, turns)) };
  } finally {
    await close();
  }
}

/** How fast the tree follows the log, and proofs of any entry and of any growth. */
async function measureProofs(sql: Sql, turns: number) {
  const tree = createTreeStore(sql);
  const began = performance.now();
  while (await tree.grow());
  const growSeconds = round((performance.now() - began) / 1_000);
  const { size } = await tree.readFrontier();
  const any = () => 1 + Math.floor(Math.random() * (size - 1));
  return {
    growSeconds,
    inclusion: summarize(
      await timeEach(turns, () => proveInclusion(any() - 1, size, tree.readTile)),
    ),
    consistency: summarize(
      await timeEach(turns, () => proveConsistency(any(), size, tree.readTile)),
    ),
  };
}
