import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { usage } from "./disk-usage.ts";
import { errors } from "./errors.ts";
import { oomKills } from "./oom-kills.ts";
import { query } from "./query.ts";
import { templateOf } from "./template-of.ts";

const none = { rows: [], unreadableRows: 0, boots: [], warnings: "" };
const input = (data: object, params = {}, truncated = false): GuestInput => ({
  ...{ params, now: 0 },
  reads: { rows: { ok: true, samples: [{ at: 0, truncated, data: { ...none, ...data } }] } },
});
const rowOf = (message: string, at: number, more = {}) => ({
  ...{ at, cursor: `c${at}`, bootId: "b", message },
  ...more,
});

test.each([
  ["connection to 10.0.0.7:5432 refused after 3001 ms", "connection to * refused after * ms"],
  ["user 'ada' failed", 'user "*" failed'],
  ["commit 3fa9c1d0 by [redacted:token#2]", "commit * by [redacted:token]"],
  ["id 6c3de886-c4ce-4650-8cfc-6d1995230629 gone", "id * gone"],
  ["0x7ffe1234abcd at deadbeef is feed", "* at deadbeef is feed"],
])("%s", (message, template) => {
  expect(templateOf(message)).toBe(template);
});

test("alike rows of one unit are one cluster, the most frequent first, with the newest of each", () => {
  const rows = [
    rowOf("lost 9 packets", 5, { unit: "a.service", priority: 3 }),
    rowOf("full", 4, { identifier: "disk", priority: 2 }),
    rowOf("lost 12 packets", 3, { unit: "a.service", priority: 2 }),
    rowOf("lost 1 packets", 2, { unit: "b.service" }),
  ];
  const result = errors.call(input({ rows }, { limit: 2 }));
  expect(result).toMatchObject({
    clusters: [
      {
        ...{ count: 2, source: "a.service", priority: "err", newest: "lost 9 packets" },
        ...{ newestAt: new Date(5).toISOString(), oldestAt: new Date(3).toISOString() },
      },
      { count: 1, source: "disk", priority: "crit" },
    ],
    ...{ clusterCount: 3, rowCount: 4, incomplete: false },
  });
});

test("rows that were left out are said, with the cursor to read on", () => {
  const rows = [rowOf("new", 2), rowOf("old", 1)];
  expect(query.call(input({ rows }))).toMatchObject({ incomplete: false, olderCursor: null });
  expect(query.call(input({ rows }, { limit: 2 }))).toMatchObject({
    ...{ incomplete: true, olderCursor: "c1" },
  });
  expect(query.call(input({ rows }, {}, true))).toMatchObject({ olderCursor: "c1" });
  expect(query.call(input({ unreadableRows: 3, warnings: "damaged" }))).toMatchObject({
    ...{ rows: [], unreadableCount: 3, warnings: "damaged" },
  });
});

test("kills of the host and of a control group, whatever the process calls itself", () => {
  const kill = (name: string, why: string) =>
    `${why}: Killed process 42 (${name}) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:33 pgtables:5kB oom_score_adj:0`;
  const rows = [
    rowOf(kill("a) total-vm:1kB (b", "Out of memory"), 3),
    rowOf(kill("web", "Memory cgroup out of memory"), 2),
    rowOf("Killed process in other words", 1),
  ];
  expect(oomKills.call(input({ rows }))).toMatchObject({
    kills: [
      {
        ...{ name: "a) total-vm:1kB (b", pid: 42, uid: 33, byCgroup: false },
        ...{ residentBytes: 4096, virtualBytes: 8192 },
      },
      { name: "web", byCgroup: true },
    ],
    ...{ killCount: 2, unreadableCount: 1 },
  });
});

test("a size that is not there is a failure", () => {
  const { rows } = input({}).reads;
  expect(() =>
    usage.call({ params: {}, now: 0, reads: { usage: rows } as GuestInput["reads"] }),
  ).toThrow("expected a size");
});
