import { expect, test } from "vitest";
import { describeSinks } from "./sinks-command.ts";

const WELL = {
  ...{ name: "siem", kind: "syslog" as const, seq: 40, lagEntries: 0, lagSeconds: 0 },
  ...{ failingSince: null, lastError: null, failures: 0, rejected: 0 },
};

test("sinks are a table with place, lag and failure", () => {
  const failing = {
    ...{
      ...WELL,
      name: "hook",
      kind: "webhook" as const,
      seq: 3,
      lagEntries: 37,
      lagSeconds: 61.4,
    },
    ...{ failingSince: "2026-03-04T05:06:07.000Z", rejected: 2 },
    lastError: { code: "SINK_REFUSED", message: "expected a status of 2xx, got 500" },
  };
  expect(describeSinks({ sinks: [WELL, failing] }).split("\n")).toEqual([
    "NAME  KIND     PLACE  BEHIND            FAILING SINCE             LAST ERROR",
    "siem  syslog   40     -                 -                         -",
    "hook  webhook  3      37 entries, 61 s  2026-03-04T05:06:07.000Z  SINK_REFUSED: expected a status of 2xx, got 500; 2 entries dropped by the receiver",
  ]);
  expect(describeSinks({ sinks: [] })).toBe("No sink is configured; docs/audit-sinks.md says how.");
});
