import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import type { LogHead } from "@sonde/schemas/wire";
import { afterAll, expect, test } from "vitest";
import { chainRecord, EMPTY_HEAD, headAfter } from "../chain/index.ts";
import { findEntry } from "./find-entry.ts";
import { segmentName } from "./segment-files.ts";

const folder = mkdtempSync(join(tmpdir(), "sonde-find-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("an entry is found in its segment; one after the end and one that was dropped are not", () => {
  expect(findEntry(folder, 1)).toBe(null);
  const entries: AuditEntry[] = [];
  let head: LogHead = EMPTY_HEAD;
  for (let seq = 1; seq <= 12; seq++) {
    const entry = chainRecord(
      head,
      buildAuditRecord(new Date(0), "log.opened", { detail: { seq } }),
    );
    entries.push(entry);
    head = headAfter(entry);
    // Segments of four, of which the first is no longer kept.
    if (seq > 4) {
      appendFileSync(
        join(folder, segmentName(seq - ((seq - 1) % 4))),
        `${JSON.stringify(entry)}\n`,
      );
    }
  }
  for (const seq of [5, 8, 9, 12]) expect(findEntry(folder, seq)).toEqual(entries[seq - 1]);
  expect(findEntry(folder, 13)).toBe(null);
  expect(findEntry(folder, 4)).toBe(undefined);
  writeFileSync(join(folder, segmentName(13)), '{"seq":13,"previous":1}\n');
  expect(() => findEntry(folder, 13)).toThrowError(
    expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
  );
});
