import { randomUUID } from "node:crypto";
import {
  type AuditAttestation,
  type AuditEntry,
  type AuditProof,
  type ChainEntry,
  isDropped,
} from "@sonde/schemas/audit";
import { type AuditExportEnd, parseAuditExportLine } from "@sonde/schemas/audit-search";
import { firstOf, hubLogLeaf, lastOf, verifyHubLog } from "@sonde/trust/hub-log";
import { rootFromInclusion } from "@sonde/trust/log";
import { stretchesOf } from "@sonde/trust/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fillOldLog, OLD_KEY } from "../testing/fill-old-log.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Hubs that run, over a log whose first segments are older than they are kept.
const DAY_MS = 24 * 3_600_000;
const START = new Date(Date.now() - 60 * DAY_MS);
const CALL = randomUUID();
const HELD_KEY = `key:${randomUUID()}`;
const RETENTION = { audit: { retention: { maxDays: 30 } } };

const seed =
  (segments: number): Parameters<typeof startHub>[0] =>
  ({ sql }) =>
    fillOldLog(sql, segments, START, (seq) => {
      if (seq === 5_000) return { agent: "db-1", principal: HELD_KEY };
      const call = { callId: CALL, agent: "web-1", probe: "acme/hello.greet" };
      if (seq === 10) return { ...call, event: "call.request" };
      return seq === 11 ? { ...call, event: "call.response", status: "ok" } : {};
    });

async function gone(hub: TestHub): Promise<number[]> {
  const { sql, ...opened } = await hub.openDatabase();
  const rows = await sql<{ segment: number }[]>`
    select segment::float8 as segment from audit_dropped order by segment`;
  await opened.close();
  return rows.map(({ segment }) => segment);
}

async function attest(hub: TestHub): Promise<AuditAttestation> {
  return (await hub.ask("POST", "/audit/checkpoints")).answer as unknown as AuditAttestation;
}

async function exportLog(hub: TestHub, query = ""): Promise<[ChainEntry[], AuditExportEnd]> {
  const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/api/v1/audit${query}`, {
    headers: { authorization: `Bearer ${hub.operatorKey}`, accept: "application/x-ndjson" },
  });
  const lines = (await answer.text()).trimEnd().split("\n");
  const parsed = lines.map((line) => parseAuditExportLine(JSON.parse(line)));
  const end = parsed.pop();
  if (end === undefined || !("complete" in end)) throw new Error("expected a last line");
  return [parsed.filter((line): line is ChainEntry => !("complete" in line)), end];
}

const read = (entries: readonly ChainEntry[]) => stretchesOf(entries, 500);

describe("a hub that drops", () => {
  let hub: TestHub;
  let hold: string;
  let client: string;

  beforeAll(async () => {
    hub = await startHub(seed(3));
    await attest(hub);
    ({ key: client } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" }));
    const made = await hub.ask("POST", "/audit/holds", {
      ...{ reason: "Case 7.", filters: { agent: "db-1" } },
    });
    expect(made.code).toBe(201);
    hold = String(made.answer["id"]);
    expect(await hub.reload(RETENTION)).toContain("audit.retention");
    await vi.waitUntil(async () => (await gone(hub)).length === 2, { timeout: 60_000 });
    expect(await gone(hub)).toEqual([0, 2]);
  });
  afterAll(() => hub.close());

  test("gives pages of the chain with the hashes of what was dropped", async () => {
    const { answer } = await hub.ask("GET", `/audit?afterSeq=${lastOf(0) - 1}&limit=2`);
    const [dropped, there] = answer["entries"] as [ChainEntry, AuditEntry];
    expect(dropped).toEqual({
      ...{ seq: lastOf(0), dropped: true },
      previous: expect.stringMatching(/^sha256:/) as string,
      hash: there.previous,
    });
    expect(there.record.detail).toEqual({ tool: "list_agents", number: firstOf(1) });
  });

  test("says in each search and export what it lacks, and in none that lacks nothing", async () => {
    const until = new Date(START.getTime() + lastOf(2) * 100).toISOString();
    const dropped = { to: lastOf(2), until };
    const found = await hub.ask("GET", `/audit?principal=${OLD_KEY}&order=oldest&limit=3`);
    expect(found.answer["entries"]).toMatchObject([{ seq: firstOf(1) }, {}, {}]);
    expect(found.answer["dropped"]).toMatchObject({ to: lastOf(0) });
    const none = await hub.ask("GET", `/audit?call=${CALL}`);
    expect(none.answer).toMatchObject({ entries: [], dropped });
    const day = new Date(START.getTime() + DAY_MS).toISOString().slice(0, 10);
    const before = await hub.ask("GET", `/audit?until=${day}&event=key.created`);
    expect(before.answer).toMatchObject({ entries: [], dropped });
    expect((await hub.ask("GET", "/audit?limit=5")).answer).not.toHaveProperty("dropped");
    const since = await hub.ask("GET", `/audit?since=${new Date().toISOString().slice(0, 10)}`);
    expect(since.answer).not.toHaveProperty("dropped");
    const [, end] = await exportLog(hub, `?principal=${HELD_KEY}`);
    expect(end).toMatchObject({ entries: 1, dropped });
  });

  test("does not say of a call that was dropped that there was none", async () => {
    const { answer, code } = await hub.ask("GET", `/calls/${CALL}`);
    expect(code).toBe("NOT_FOUND");
    expect(answer.error).toMatchObject({
      message: expect.stringMatching(/^expected the id .* whose content was dropped\.$/) as string,
    });
    const list = await hub.ask("GET", "/calls");
    expect(list.answer).toMatchObject({ calls: [], dropped: { to: lastOf(2) } });
  });

  test("exports a log that is verified, with the entry that speaks for what was dropped", async () => {
    const attested = await attest(hub);
    const [entries, end] = await exportLog(hub);
    expect(end.entries).toBe(entries.length);
    expect(entries.filter(isDropped)).toHaveLength(2 * 4_096 - 1);
    const verdict = await verifyHubLog(read(entries), attested);
    const said = entries.filter(
      (entry) => !isDropped(entry) && entry.record.event === "log.dropped",
    );
    expect(said).toHaveLength(1);
    expect(verdict).toMatchObject({
      ...{ bad: null, signed: { size: attested.checkpoint?.size } },
      dropped: { entries: 2 * 4_096 - 1, to: lastOf(2), saidBy: said[0]?.seq },
    });
    // Attack 59: the content that is on hold is taken away.
    const forged = entries.map((entry): ChainEntry => {
      const { seq, previous, hash } = entry;
      const isHeld = seq >= firstOf(1) && seq <= lastOf(1);
      return isHeld ? { seq, previous, hash, dropped: true } : entry;
    });
    const broken = await verifyHubLog(read(forged), attested);
    expect(broken.bad).toMatchObject({ seq: firstOf(1) });
  });

  test("proves an entry whose content was dropped, and those beside it", async () => {
    const { checkpoint } = await attest(hub);
    for (const seq of [1, 700, lastOf(0), firstOf(1), lastOf(2), lastOf(2) + 1]) {
      const { answer, code } = await hub.ask("GET", `/audit/entries/${seq}/proof`);
      expect(code).toBe(200);
      const { entry, path } = answer as unknown as AuditProof;
      expect([entry.seq, isDropped(entry)]).toEqual([
        seq,
        seq <= lastOf(0) || (seq >= firstOf(2) && seq <= lastOf(2)),
      ]);
      const hashes = path.map((hash) => Buffer.from(hash, "base64"));
      const size = checkpoint?.size ?? 0;
      const root = rootFromInclusion(hubLogLeaf(entry.hash), seq - 1, size, hashes);
      expect(root?.toString("base64")).toBe(checkpoint?.root);
    }
  });

  test("tells a reader of the live log that comes back what was dropped meanwhile", async () => {
    const abort = new AbortController();
    const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/api/v1/audit?agent=web-1`, {
      headers: {
        authorization: `Bearer ${hub.operatorKey}`,
        ...{ accept: "text/event-stream", "last-event-id": "5" },
      },
      signal: abort.signal,
    });
    let text = "";
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes("event: dropped")) break;
    }
    abort.abort();
    expect(text).toMatch(new RegExp(`event: dropped\ndata: {"to":${lastOf(2)},`));
  });

  test("tells a model so", async () => {
    const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${hub.operatorKey}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2025-06-18",
      },
      body: JSON.stringify({
        ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
        params: { name: "query_audit", arguments: { afterSeq: lastOf(0) - 2, limit: 3 } },
      }),
    });
    const text = await answer.text();
    expect(text).toContain(`Content of entries up to ${lastOf(0)}, until `);
    // Those that were dropped are passed over: the first ones that are there come at once.
    expect(text).toContain(`entries ${lastOf(0) - 1} to ${firstOf(1) + 2}; 3 of them fit`);
  });

  test("keeps what is on hold until the hold ends, and both are on record", async () => {
    const { answer } = await hub.ask("GET", "/audit/holds");
    expect(answer["holds"]).toMatchObject([
      {
        id: hold,
        reason: "Case 7.",
        filters: { agent: "db-1" },
        by: expect.stringMatching(/^key:/),
      },
    ]);
    const refused = await hub.ask("DELETE", `/audit/holds/${hold}`, undefined, client);
    const made = await hub.ask("POST", "/audit/holds", { reason: "Mine.", filters: {} }, client);
    expect([refused.code, made.code]).toEqual(["FORBIDDEN", "FORBIDDEN"]);
    expect((await hub.ask("GET", "/audit/holds", undefined, client)).code).toBe(200);
    const none = await hub.ask("DELETE", `/audit/holds/${randomUUID()}`);
    expect(none.code).toBe("NOT_FOUND");
    expect((await hub.ask("DELETE", `/audit/holds/${hold}`)).answer["holds"]).toEqual([]);
    const records = (await hub.ask("GET", "/audit?text=Case 7.")).answer["entries"];
    expect(records).toMatchObject([
      { record: { event: "audit-hold.released", detail: { hold } } },
      { record: { event: "audit-hold.created", detail: { hold, reason: "Case 7." } } },
    ]);
    await hub.reload(RETENTION);
    await expect.poll(() => gone(hub), { timeout: 60_000 }).toEqual([0, 1, 2]);
    const verdict = await verifyHubLog(read((await exportLog(hub))[0]), await attest(hub));
    expect(verdict).toMatchObject({ bad: null, dropped: { entries: 3 * 4_096 - 1 } });
  });

  test.each([
    [{ reason: "", filters: {} }],
    [{ reason: "two\nlines", filters: {} }],
    [{ reason: "A time.", filters: { since: "2026-02-30" } }],
    [{ reason: "A time.", filters: { since: "2026-03-02", until: "2026-03-01" } }],
    [{ reason: "A filter.", filters: { event: "key.created" } }],
    [{ reason: "No filters." }],
  ])("refuses the hold %j", async (body) => {
    expect((await hub.ask("POST", "/audit/holds", body)).code).toBe("BAD_REQUEST");
    expect((await hub.ask("GET", "/audit/holds")).answer["holds"]).toEqual([]);
  });

  test("starts again without a new record of its policy, and with the same log", async () => {
    await hub.restart();
    const changes = await hub.ask("GET", "/audit?event=policy.changed");
    expect(changes.answer["entries"]).toHaveLength(1);
    expect((await attest(hub)).problem).toBeNull();
  });
});

test("a hub that is killed while it drops goes on, and the log is whole", async () => {
  const hub = await startHub(seed(5), {}, { config: RETENTION });
  try {
    await attest(hub);
    await expect
      .poll(async () => (await gone(hub)).length, { timeout: 60_000, interval: 50 })
      .toBeGreaterThan(0);
    await hub.restart(undefined, "SIGKILL");
    await attest(hub);
    await expect.poll(() => gone(hub), { timeout: 90_000, interval: 500 }).toEqual([0, 1, 2, 3, 4]);
    const verdict = await verifyHubLog(read((await exportLog(hub))[0]), await attest(hub));
    expect(verdict).toMatchObject({ bad: null, dropped: { entries: 5 * 4_096 - 1 } });
  } finally {
    await hub.close();
  }
}, 180_000);

test("with two hubs every export is whole, before, while and after content goes", async () => {
  const hub = await startHub(seed(5), {}, { config: RETENTION });
  const second = await hub.startSecond();
  expect(second).toBeGreaterThan(0);
  try {
    await attest(hub);
    const verdicts = [];
    do {
      const attested = await attest(hub);
      const [entries] = await exportLog(hub);
      verdicts.push(await verifyHubLog(read(entries), attested));
    } while ((await gone(hub)).length < 5 && verdicts.length < 500);
    expect(verdicts.map(({ bad }) => bad).filter((bad) => bad !== null)).toEqual([]);
    expect((await gone(hub)).length).toBe(5);
  } finally {
    await hub.close();
  }
}, 180_000);
