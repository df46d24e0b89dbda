import { expect, test } from "vitest";
import { cpuUsage } from "./cpu-usage.ts";

const stat = (user: number, idle: number, ctxt: number) =>
  `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 ${user} 0 0 ${idle} 0 0 0 0 0 0\nctxt ${ctxt}\n`;
const look = (at: number, data: object) => ({ at, truncated: false, data });
const group = (periods: number, throttled: number, micros: number) =>
  `usage_usec 1\nnr_periods ${periods}\nnr_throttled ${throttled}\nthrottled_usec ${micros}\n`;

function ask(groups: [object, object] | null, second = stat(175, 125, 900)) {
  const cpu = {
    ok: true as const,
    samples: [look(0, { text: stat(100, 100, 500) }), look(2000, { text: second })],
  };
  const failure = { code: "SOURCE_NOT_FOUND" as const, message: "no such file" };
  const cgroups =
    groups === null
      ? { ok: false as const, failure }
      : { ok: true as const, samples: groups.map((data, index) => look(index * 2000, data)) };
  return cpuUsage.call({ params: {}, now: 0, reads: { cpu, cgroups } });
}

test("a share is of the time between the looks, and a rate of their distance", () => {
  expect(ask(null)).toMatchObject({
    measuredMs: 2000,
    cpuCount: 1,
    total: { busyPercent: 75, userPercent: 75, idlePercent: 25 },
    contextSwitchesPerSecond: 200,
    throttled: null,
  });
});

test("a counter that went back counts as unchanged", () => {
  expect(ask(null, stat(50, 200, 100))).toMatchObject({
    total: { busyPercent: 0, idlePercent: 100 },
    contextSwitchesPerSecond: 0,
  });
});

test("groups that were stopped by their quota meanwhile are listed, longest first", () => {
  const groups = (a: string, b: string, c: string) => ({
    entries: [
      { name: "system.slice", text: a },
      { name: "user.slice", text: b },
      { name: "init.scope", text: c },
    ],
  });
  const before = groups(group(10, 1, 100_000), group(5, 5, 5_000_000), "usage_usec 1\n");
  const after = groups(group(30, 11, 600_000), group(5, 5, 5_000_000), "usage_usec 9\n");
  expect(ask([before, after])).toMatchObject({
    throttled: [{ cgroup: "system.slice", throttledMs: 500, throttledPeriodsPercent: 50 }],
  });
  // Without the CPU controller no group tells of a quota.
  const none = groups("usage_usec 1\n", "usage_usec 1\n", "usage_usec 1\n");
  expect(ask([none, none])).toMatchObject({ throttled: null });
});
