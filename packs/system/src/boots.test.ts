import { expect, test } from "vitest";
import { boots } from "./boots.ts";
import { parseLast } from "./parse-last.ts";

const LAST = `root     tty1         2026-11-28T12:30:00+00:00   gone - no logout
ada      pts/0        2026-11-28T13:00:00+01:00   still logged in                        2001:db8::7
reboot   system boot  2026-11-25T04:01:00+00:00   still running                          6.1.0-50-amd64
shutdown system down  2026-11-25T04:00:00+00:00 - 2026-11-25T04:01:00+00:00  (00:01)     6.1.0-18-amd64
reboot   system boot  2026-11-22T03:00:00+00:00 - 2026-11-25T04:00:00+00:00 (3+01:00)    6.1.0-18-amd64
root     pts/1        2026-11-21T10:00:00+00:00 - crash                      (17:00)     bastion.example.com
runlevel (to lvl 5)   2026-11-20T08:00:10+00:00 - 2026-11-25T04:00:00+00:00 (4+19:59)    6.1.0-18-amd64
reboot   system boot  2026-11-20T08:00:00+00:00 - 2026-11-25T04:00:00+00:00 (4+20:00)    6.1.0-18-amd64

wtmp begins 2026-11-20T08:00:00+00:00
`;

const printed = (stdout: string, truncated = false) => ({
  ok: true as const,
  samples: [{ at: 0, truncated, data: { stdout, stderr: "", exitCode: 0 } }],
});
const cpu = {
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { text: "btime 1795623660\n" } }],
};

test("a boot after which another came has no shutdown, whatever last says", () => {
  const answer = boots.call({ params: {}, now: 0, reads: { cpu, sessions: printed(LAST) } });
  expect(answer).toMatchObject({
    ...{ kernelBootedAt: "2026-11-25T16:21:00.000Z", bootCount: 3, withoutShutdownCount: 1 },
    boots: [
      { bootedAt: "2026-11-25T04:01:00.000Z", kernel: "6.1.0-50-amd64", end: "running" },
      { end: "shutdown", endedAt: "2026-11-25T04:00:00.000Z" },
      { bootedAt: "2026-11-20T08:00:00.000Z", end: "no shutdown", endedAt: null },
    ],
    ...{ recordedSince: "2026-11-20T08:00:00.000Z", incomplete: false, unreadableCount: 0 },
  });
});

test("without a record of boots they are not known, which is not none", () => {
  const failure = { code: "SOURCE_NOT_FOUND" as const, message: "last is not installed" };
  const reads = { cpu, sessions: { ok: false as const, failure } };
  expect(boots.call({ params: {}, now: 0, reads })).toMatchObject({ boots: null, bootCount: null });
  const empty = { cpu, sessions: printed("\nwtmp begins 2026-11-20T08:00:00+00:00\n") };
  expect(boots.call({ params: {}, now: 0, reads: empty })).toMatchObject({ boots: [] });
});

test("rows in other words are counted, and one that was cut is left out", () => {
  const { rows, unreadableCount } = parseLast({
    stdout: `what is this\n${LAST}`,
    truncated: false,
  });
  expect([rows.length, unreadableCount]).toEqual([8, 1]);
  expect(rows[1]).toEqual({
    ...{ name: "ada", line: "pts/0", from: "2026-11-28T12:00:00.000Z", until: null },
    ...{ end: "still logged in", host: "2001:db8::7" },
  });
  expect(rows[5]).toMatchObject({ until: null, end: "crash", host: "bastion.example.com" });
  const cut = parseLast({ stdout: LAST.slice(0, 200), truncated: true });
  expect(cut).toMatchObject({ isFull: true, unreadableCount: 0, since: null });
  expect(cut.rows).toHaveLength(2);
});
