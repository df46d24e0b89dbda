import { randomUUID } from "node:crypto";
import { type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { lastOf } from "@sonde/trust/hub-log";
import type { Sql } from "postgres";
import { createAuditStore, openAudit } from "../audit/index.ts";

/** The key that made the entries. */
export const OLD_KEY = "key:00000000-0000-4000-8000-000000000001";

const TOGETHER = 500;
const STEP_MS = 100;

/**
 * Fills an empty log with so many whole segments of reads, a tenth of a second between two entries.
 *
 * @param start the time of the first one
 * @param known members of the record of an entry, by its number
 */
export async function fillOldLog(
  sql: Sql,
  segments: number,
  start: Date,
  known: (seq: number) => Partial<AuditRecord> = () => ({}),
): Promise<void> {
  const log = await openAudit(createAuditStore(sql, randomUUID()));
  const last = lastOf(segments - 1);
  for (let from = 1; from <= last; from += TOGETHER) {
    const count = Math.min(TOGETHER, last - from + 1);
    const records = Array.from({ length: count }, (_, place) => {
      const seq = from + place;
      const at = new Date(start.getTime() + seq * STEP_MS);
      const detail = { tool: "list_agents", number: seq };
      const plain = buildAuditRecord(at, "log.read", { principal: OLD_KEY, detail });
      return { ...plain, ...known(seq) };
    });
    await Promise.all(records.map((record) => log.append(record)));
  }
}
