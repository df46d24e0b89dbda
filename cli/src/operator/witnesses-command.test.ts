import { expect, test } from "vitest";
import { describeWitnesses } from "./witnesses-command.ts";

const WELL = {
  ...{ name: "disk", kind: "file" as const, size: 40, takenAt: "2026-03-04T05:06:07.000Z" },
  ...{ lagEntries: 0, failingSince: null, disagrees: false, lastError: null, failures: 0 },
};

test("witnesses are a table with what they took and what fails, and an alarm stands out", () => {
  const disagreeing = {
    ...{ ...WELL, name: "other-hub", kind: "tlog-witness" as const, size: 0, takenAt: null },
    ...{ lagEntries: 40, failingSince: "2026-03-04T05:07:00.000Z", disagrees: true },
    lastError: { code: "WITNESS_DISAGREES", message: "the witness has seen another log" },
  };
  expect(describeWitnesses({ witnesses: [WELL, disagreeing] }).split("\n")).toEqual([
    "NAME       KIND          ENTRIES  BEHIND      TAKEN                     FAILING SINCE             LAST ERROR",
    "disk       file          40       -           2026-03-04T05:06:07.000Z  -                         -",
    "other-hub  tlog-witness  0        40 entries  -                         2026-03-04T05:07:00.000Z  WITNESS_DISAGREES: the witness has seen another log",
    "ALARM: other-hub has seen another audit log of this hub.",
  ]);
  expect(describeWitnesses({ witnesses: [] })).toBe(
    "No witness is configured; docs/audit-witnesses.md says how.",
  );
});
