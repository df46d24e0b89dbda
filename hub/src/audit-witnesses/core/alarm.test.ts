import { expect, test } from "vitest";
import { isAlarmDue } from "./alarm.ts";

const AT = new Date("2026-03-04T05:06:07Z");
const after = (hours: number) => new Date(AT.getTime() + hours * 3_600_000);

test("a witness that disagrees is in the log at once, and then once a day", () => {
  expect(isAlarmDue("WITNESS_DISAGREES", null, AT)).toBe(true);
  expect(isAlarmDue("WITNESS_DISAGREES", AT, after(0))).toBe(false);
  expect(isAlarmDue("WITNESS_DISAGREES", AT, after(23))).toBe(false);
  expect(isAlarmDue("WITNESS_DISAGREES", AT, after(24))).toBe(true);
});

test("one that is away is no alarm", () => {
  expect(isAlarmDue("SINK_UNREACHABLE", null, AT)).toBe(false);
  expect(isAlarmDue("WITNESS_UNTRUSTED", null, AT)).toBe(false);
});
