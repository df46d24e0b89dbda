import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildAuditRecord } from "@sonde/schemas/audit";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { afterAll, beforeEach, expect, test } from "vitest";
import { writeExport } from "./write-export.ts";

const folder = mkdtempSync("/tmp/sonde-export-");
const file = join(folder, "log.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => writeFileSync(file, "before", { mode: 0o644 }));

const first = chainRecord(EMPTY_HEAD, buildAuditRecord(new Date(0), "log.opened", {}));
const line = (value: object) => `${JSON.stringify(value)}\n`;
const endOf = (entries: number) =>
  line({
    ...{ complete: true, searched: { from: 1, to: 1 }, entries },
    ...{ filters: {}, head: headAfter(first) },
  });
const write = (text: string, size = 7) =>
  writeExport({ file, proof: "" }, cut(Buffer.from(text), size), () => undefined);

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test.each([1, 7, 100_000])("a whole export replaces the file, in chunks of %d", async (size) => {
  const text = `${line(first)}${endOf(1)}`;
  expect(await write(text, size)).toMatchObject({ complete: true, entries: 1 });
  expect(readFileSync(file, "utf8")).toBe(text);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test.each([
  ["has nothing", ""],
  ["ends without its last line", line(first)],
  ["ends in the middle of a line", line(first).slice(0, 50)],
  ["has a last line that is not over", `${line(first)}${endOf(1).trimEnd()}`],
  ["has fewer entries than its last line says", `${line(first)}${endOf(2)}`],
  ["has more entries than its last line says", `${line(first)}${endOf(0)}`],
  ["goes on after its last line", `${line(first)}${endOf(1)}{`],
  ["has a line without end", "x".repeat(5 * 1024 * 1024)],
])("an export that %s is refused, and the file is as it was", async (_what, text) => {
  await expect(write(text, 100_000)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
  expect(readFileSync(file, "utf8")).toBe("before");
  expect(readdirSync(folder)).toEqual(["log.jsonl"]);
});
