import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import type { LogHead } from "@sonde/schemas/wire";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readRightsLog } from "../registry-operator-client.ts";
import { verifyLog } from "./verify-log.ts";

// An operator's socket that may lie: its answers are made from `entries` and `head`.
const MANY = 1_500;
const folder = mkdtempSync(join(tmpdir(), "sonde-audit-log-"));
const socket = join(folder, "operator.sock");
let server: Server;
let entries: AuditEntry[];
let head = EMPTY_HEAD;

beforeAll(async () => {
  server = createServer(({ url = "" }, response) => {
    const query = new URL(url, "http://registry").searchParams;
    const from = Number(query.get("afterSeq"));
    const page = entries.slice(from, from + Number(query.get("limit")));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ entries: page, head }));
  });
  await once(server.listen(socket), "listening");
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  ({ entries, head } = buildLog("a test"));
});

function buildLog(about: string): { entries: AuditEntry[]; head: LogHead } {
  const made: AuditEntry[] = [];
  let end = EMPTY_HEAD;
  for (let index = 0; index < MANY; index++) {
    const record = buildAuditRecord(new Date(0), "token.created", { detail: { index, about } });
    const entry = chainRecord(end, record);
    end = headAfter(entry);
    made.push(entry);
  }
  return { entries: made, head: end };
}

async function readVerified(): Promise<{ entries: AuditEntry[]; head: LogHead }> {
  const seen: AuditEntry[] = [];
  const verified = await verifyLog(
    (afterSeq, limit) => readRightsLog(socket, afterSeq, limit),
    (page) => seen.push(...page),
  );
  return { entries: seen, head: verified };
}

test("a whole log is read in pages, to its head", async () => {
  expect(await readVerified()).toEqual({ entries, head });
});

test.each([
  [
    "has an entry that was changed",
    () => Object.assign(entries[1_200]?.record.detail ?? {}, { x: 1 }),
  ],
  ["lacks an entry", () => entries.splice(700, 1)],
  ["has two entries in another order", () => entries.push(...entries.splice(3, 1))],
  ["is whole but another one", () => ({ entries } = buildLog("another"))],
  ["was cut off at its end", () => entries.pop()],
  ["was cut off at the end of a page", () => entries.splice(1_000)],
])("attack 59: a log that %s is refused", async (_what, change) => {
  change();
  await expect(readVerified()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});
