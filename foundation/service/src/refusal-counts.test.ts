import type { AuditRecord } from "@sonde/schemas/audit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createRefusalCounts } from "./refusal-counts.ts";

let rows: AuditRecord["detail"][];
let agents: AuditRecord["agent"][];
const open = () =>
  createRefusalCounts({
    event: "key.refused",
    auditLog: {
      append: ({ detail, agent }) => {
        rows.push(detail);
        agents.push(agent);
        return Promise.resolve();
      },
    },
    now: () => new Date(),
    report: (error) => {
      throw error;
    },
  });

beforeEach(() => {
  rows = [];
  agents = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("an address has one row at once and one for the rest of its minute", async () => {
  const counts = open();
  for (let count = 0; count < 5; count++) counts.add("192.0.2.1", "UNAUTHENTICATED");
  expect(rows).toEqual([{ address: "192.0.2.1", count: 1 }]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rows.slice(1)).toEqual([{ address: "192.0.2.1", count: 4 }]);
  counts.add("192.0.2.1", "UNAUTHENTICATED");
  expect(rows.slice(2)).toEqual([{ address: "192.0.2.1", count: 1 }]);
  await counts.close();
  expect(rows.length).toBe(3);
});

test("above 1000 addresses in a minute the others share their rows", async () => {
  const counts = open();
  for (let host = 0; host < 3_000; host++) counts.add(`host-${host}`, "UNAUTHENTICATED");
  expect(rows.length).toBe(1_001);
  await counts.close();
  expect(rows.slice(1_000)).toEqual([
    { address: "others", count: 1 },
    { address: "others", count: 1_999 },
  ]);
});

test("each agent whose certificate is refused has rows of its own, which name it", async () => {
  const counts = open();
  for (const agent of ["web-1", "web-2", "web-1", undefined]) {
    counts.add("192.0.2.1", "CERTIFICATE_REFUSED", agent);
  }
  await counts.close();
  expect(agents).toEqual(["web-1", "web-2", null, "web-1"]);
  expect(rows.map(({ count }) => count)).toEqual([1, 1, 1, 1]);
});
