import { randomUUID } from "node:crypto";
import { type AuditEntry, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { toolNameOf } from "@sonde/schemas/names";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrations } from "../../migrations.ts";
import {
  type HubDatabase,
  openHubDatabase,
  startReleases,
} from "../../testing/open-hub-database.ts";
import { openAudit } from "../index.ts";
import { createAuditStore } from "./audit-store.ts";
import { type Bounds, createLogSearch, LOOKED_AT, type Order, type Wanted } from "./log-search.ts";

// The search over a log of 9000 entries, against a look at each of them.
const START = Date.parse("2026-03-01T00:00:00.000Z");
const COUNT = 9_000;
const BATCH = 500;
const ANY: Wanted = {
  ...{ principals: null, agents: null, probe: null, tool: null, event: null, decision: null },
  ...{ status: null, call: null, since: null, until: null, text: null },
};
let database: HubDatabase;
let entries: AuditEntry[];

beforeAll(async () => {
  database = await openHubDatabase();
  const log = await openAudit(createAuditStore(database.sql, randomUUID()));
  entries = [];
  for (let from = 0; from < COUNT; from += BATCH) {
    const records = Array.from({ length: BATCH }, (_, index) => buildRecord(from + index));
    entries.push(...(await Promise.all(records.map((record) => log.append(record)))));
  }
});
afterAll(() => database.close());

const callOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

/** Few of some, many of others, and times that are not quite in order. */
function buildRecord(index: number): AuditRecord {
  const at = new Date(START + index * 1_000 - (index % 7 === 0 ? 3_000 : 0));
  const principal = `key:${callOf(index % 5)}`;
  const agent = index % 997 === 0 ? "rare-1" : `web-${index % 3}`;
  const probe = index % 2 === 0 ? "system.disk.usage" : "acme/hello.greet";
  const call = { callId: callOf(Math.floor(index / 2)), principal, agent, probe };
  if (index % 1_500 === 1) {
    const detail = { tag: "role=db", by: `Number ${index}: "Zoë" \u0000 ${index}` };
    return buildAuditRecord(at, "agent.tagged", { principal, agent: "db-1", detail });
  }
  if (index % 400 === 3) {
    const detail = { tool: "system_disk_usage", reason: "not for you" };
    const denied = { callId: call.callId, principal, agent, detail };
    return buildAuditRecord(at, "call.denied", { ...denied, status: "denied", code: "FORBIDDEN" });
  }
  if (index % 11 === 5) {
    return buildAuditRecord(at, "log.read", { principal, detail: { tool: "list_agents" } });
  }
  if (index % 2 === 0) return buildAuditRecord(at, "call.request", { ...call, status: "ok" });
  const status = index % 301 === 0 ? "failure" : "ok";
  return buildAuditRecord(at, "call.response", { ...call, status });
}

/** What a look at each entry finds. */
function fits({ record }: AuditEntry, wanted: Wanted): boolean {
  const { principals, agents, probe, tool, event, decision, status, call, since, until, text } =
    wanted;
  const at = Date.parse(record.at);
  const said = record.detail["tool"];
  const named = said ?? (record.probe === null ? null : toolNameOf(record.probe));
  return (
    (principals?.includes(record.principal ?? "") ?? true) &&
    (agents?.includes(record.agent ?? "") ?? true) &&
    (probe === null || record.probe === probe) &&
    (tool === null || named === tool.name) &&
    (event === null || record.event === event) &&
    (decision !== "allow" || record.event === "call.request") &&
    (decision !== "deny" || record.status === "denied") &&
    (status === null || record.status === status) &&
    (call === null || record.callId === call) &&
    (since === null || at >= since.getTime()) &&
    (until === null || at < until.getTime()) &&
    (text === null || JSON.stringify(record).toLowerCase().includes(text.toLowerCase()))
  );
}

/** Reads all pages. Each looks at few entries, and none is left out between two. */
async function walk(wanted: Wanted, order: Order, limit: number) {
  const search = createLogSearch(database.sql);
  const bounds = await search.boundsOf(wanted, { from: 1, to: entries.length });
  const seqs: number[] = [];
  let pages = 0;
  for (let left: Bounds | null = bounds; left !== null && left.from <= left.to; pages++) {
    const found = await search.page(wanted, left, order, limit);
    seqs.push(...found.entries.map(({ seq }) => seq));
    const { from, to } = found.searched ?? left;
    expect(order === "newest" ? to : from).toBe(order === "newest" ? left.to : left.from);
    expect(found.entries.every(({ seq }) => seq >= from && seq <= to)).toBe(true);
    left = order === "newest" ? { from: left.from, to: from - 1 } : { from: to + 1, to: left.to };
  }
  return { seqs, pages };
}

const key = (number: number) => `key:${callOf(number)}`;
const at = (index: number) => new Date(START + index * 1_000);
const DISK = { name: "system_disk_usage", probe: "system.disk.usage" };
const FILTERS: [string, Partial<Wanted>][] = [
  ["nothing", {}],
  ["one principal", { principals: [key(2)] }],
  ["several principals", { principals: [key(0), key(4), "key:none"] }],
  ["nobody", { principals: [] }],
  ["a frequent agent", { agents: ["web-1"] }],
  ["a rare agent", { agents: ["rare-1"] }],
  [
    "more agents than an index is asked for",
    { agents: Array.from({ length: 300 }, (_, n) => `web-${n}`) },
  ],
  ["an agent that is nowhere", { agents: ["gone-1"] }],
  ["a probe", { probe: "acme/hello.greet" }],
  ["a tool, also one that was refused", { tool: DISK }],
  ["a tool of the hub", { tool: { name: "list_agents", probe: "list.agents" } }],
  ["a rare event", { event: "agent.tagged" }],
  ["a frequent event", { event: "call.response" }],
  ["what was allowed", { decision: "allow" }],
  ["what was refused", { decision: "deny" }],
  ["failures", { status: "failure" }],
  ["a frequent status", { status: "ok" }],
  ["one call", { call: callOf(700) }],
  ["a time", { since: at(3_000), until: at(3_100) }],
  ["from a time on", { since: at(8_500) }],
  ["until a time", { until: at(120) }],
  ["a time that was not yet", { since: at(20_000) }],
  ["a text, in other letters", { text: "NUMBER 45" }],
  ["a text that is nowhere", { text: "no such text" }],
  ["an agent and failures", { agents: ["web-1"], status: "failure" }],
  ["a principal, a tool and a time", { principals: [key(1)], tool: DISK, since: at(1_000) }],
  ["refusals of a rare agent", { agents: ["rare-1"], decision: "deny" }],
  [
    "all at once",
    {
      principals: [key(3)],
      agents: ["web-0"],
      probe: "system.disk.usage",
      event: "call.request",
      decision: "allow",
      status: "ok",
      since: at(10),
      until: at(8_990),
      text: "web-0",
    },
  ],
];

test.each(FILTERS)("%s is found in both orders as by a look at each entry", async (_what, some) => {
  const wanted = { ...ANY, ...some };
  const expected = entries.filter((entry) => fits(entry, wanted)).map(({ seq }) => seq);
  const oldest = await walk(wanted, "oldest", 100);
  expect(oldest.seqs).toEqual(expected);
  const newest = await walk(wanted, "newest", 100);
  expect(newest.seqs).toEqual(expected.toReversed());
  const most = Math.ceil(COUNT / LOOKED_AT) + expected.length / 100 + 1;
  expect(Math.max(oldest.pages, newest.pages)).toBeLessThanOrEqual(most);
});

test("a page without entries looks at so many and says how far", async () => {
  const search = createLogSearch(database.sql);
  const wanted = { ...ANY, text: "no such text" };
  const found = await search.page(wanted, { from: 1, to: COUNT }, "newest", 100);
  expect(found).toEqual({ entries: [], searched: { from: COUNT - LOOKED_AT + 1, to: COUNT } });
});

test("few of many are found in one page, where an index has them", async () => {
  for (const some of [{ agents: ["rare-1"] }, { event: "agent.tagged" as const }]) {
    const { pages } = await walk({ ...ANY, ...some }, "newest", 100);
    expect(pages).toBe(1);
  }
});

test("entries of an earlier release are found as those of this one are", async () => {
  const releases = await startReleases();
  const first = migrations.findIndex(({ name }) => name === "audit-search");
  const earlier = await releases.open(migrations.slice(0, first));
  const hostile = 'a "tool": \\u0000 \u0000 \ud800 end';
  const detail = { tool: hostile, nested: { agent: "not-this-1", at: "never" } };
  const record = buildAuditRecord(at(1), "call.denied", {
    agent: "old-1",
    status: "denied",
    detail,
  });
  const zero = `sha256:${"0".repeat(64)}`;
  await earlier.sql`insert into audit_log (seq, previous, hash, event, call_id, record)
    values (1, ${zero}, ${zero}, ${record.event}, null, ${JSON.stringify(record)})`;
  await earlier.sql`update audit_head set size = 1, hash = ${zero}`;
  await earlier.close();

  const { sql, ...now } = await releases.open(migrations);
  try {
    const log = await openAudit(createAuditStore(sql, randomUUID()));
    await log.append(record);
    const rows =
      await sql`select at, principal, agent, probe, tool, status from audit_log order by seq`;
    expect(rows[0]).toMatchObject({ at: at(1), agent: "old-1", probe: null, status: "denied" });
    expect(rows[0]).toEqual(rows[1]);
    const search = createLogSearch(sql);
    const bounds = { from: 1, to: 2 };
    expect(await search.boundsOf({ since: at(1), until: at(2) }, bounds)).toEqual(bounds);
    expect(await search.boundsOf({ since: at(2), until: null }, bounds)).toBe(null);
  } finally {
    await now.close();
    await releases.close();
  }
});

test("the times of entries that are written together are those of all of them", async () => {
  const own = await openHubDatabase();
  try {
    const log = await openAudit(createAuditStore(own.sql, randomUUID()));
    // The second commit has several entries, and neither its first nor its last one has an outer time.
    const records = [5, 6, 1, 9, 7].map((second) =>
      buildAuditRecord(new Date(START + second * 1_000), "log.opened", { detail: { é: "é" } }),
    );
    await Promise.all(records.map((record) => log.append(record)));
    const kept = await own.sql`
      select min(first_at) as first, max(last_at) as last, sum(bytes)::int as bytes from audit_times`;
    const there = await own.sql`
      select min(at) as first, max(at) as last, sum(octet_length(record))::int as bytes
      from audit_log`;
    expect([...kept]).toEqual([...there]);
  } finally {
    await own.close();
  }
});
