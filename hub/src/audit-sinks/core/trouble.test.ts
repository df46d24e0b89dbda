import { type AuditEvent, buildAuditRecord } from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import { takeUnbroken } from "./batch.ts";
import { afterFailure, type Trouble, whileWorking } from "./trouble.ts";

const HASH = `sha256:${"a".repeat(64)}`;
const entry = (event: AuditEvent, seq = 1) => ({
  ...{ seq, previous: HASH, hash: HASH },
  record: buildAuditRecord(new Date(0), event, {}),
});
const at = (seconds: number) => new Date(seconds * 1000);
const WELL: Trouble = { failingSince: null, failedAt: null, told: false };
const batch = [entry("key.created")];

test("the log says once that a sink fails, and once that it works again", () => {
  const first = afterFailure(WELL, at(1), batch);
  expect(first.tell).toBe("sink.failing");
  const second = afterFailure(first.trouble, at(2), batch);
  expect(second).toEqual({
    trouble: { failingSince: at(1), failedAt: at(2), told: true },
    tell: null,
  });
  const works = whileWorking(second.trouble, at(3));
  expect(works).toEqual({
    trouble: { failingSince: null, failedAt: at(2), told: true },
    tell: null,
  });
  const settled = whileWorking(works.trouble, at(12));
  expect(settled).toMatchObject({ trouble: { told: false }, tell: "sink.recovered" });
  expect(whileWorking(settled.trouble, at(13)).tell).toBeNull();
});

test("attack 40: a receiver that fails now and then makes no entries out of entries about it", () => {
  const own = [entry("sink.failing"), entry("sink.recovered"), entry("sink.missed")];
  const failed = afterFailure(WELL, at(1), own);
  expect(failed).toEqual({
    trouble: { failingSince: at(1), failedAt: at(1), told: false },
    tell: null,
  });
  expect(whileWorking(failed.trouble, at(60)).tell).toBeNull();
  expect(afterFailure(failed.trouble, at(2), [...own, ...batch]).tell).toBe("sink.failing");
});

test("a batch ends before a gap", () => {
  const entries = [3, 4, 5, 9, 10].map((seq) => entry("key.created", seq));
  expect(takeUnbroken(entries).map(({ seq }) => seq)).toEqual([3, 4, 5]);
  expect(takeUnbroken([])).toEqual([]);
});
