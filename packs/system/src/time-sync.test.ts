import { expect, test } from "vitest";
import { timeSync } from "./time-sync.ts";

const printed = (stdout: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { stdout, stderr: "", exitCode: 0 } }],
});
const failed = (message: string) => ({
  ok: false as const,
  failure: { code: "READ_FAILED" as const, message },
});
const settings = printed("Timezone=Europe/Rome\nLocalRTC=no\nNTP=yes\nNTPSynchronized=yes\n");
const none = failed("no such service");
const ask = (reads: { settings: object; timesyncd: object; chrony: object }) =>
  timeSync.call({ params: {}, now: 0, reads: reads as never });

test("chrony knows best: the server, and how far the clock is off", () => {
  const line =
    "C0000207,192.0.2.7,3,1795939740.927565522,0.001234567,-0.000500000,0.0001,1.2,0.0,0.1,0.02,0.001,64.5,";
  const chrony = printed(`${line}Normal\n`);
  expect(ask({ settings, timesyncd: none, chrony })).toEqual({
    ...{ isSynchronized: true, isEnabled: true, service: "chrony", server: "192.0.2.7" },
    ...{ stratum: 3, behindMs: 1.235, lastOffsetMs: -0.5, timeZone: "Europe/Rome" },
    ...{ updatedAt: "2026-11-29T08:09:00.928Z", isHardwareClockLocal: false, notRead: [] },
  });
  const lost = printed("00000000,,0,0.000000000,0,0,0,0,0,0,1,1,0,Not synchronised\n");
  expect(ask({ settings, timesyncd: none, chrony: lost })).toMatchObject({
    ...{ isSynchronized: false, server: null, updatedAt: null },
  });
});

test("timesyncd has a server, and the kernel says whether the clock follows", () => {
  const timesyncd = printed(
    "ServerName=0.debian.pool.ntp.org\nServerAddress=192.0.2.9\nNTPMessage={ Leap=0, Version=4, Mode=4, Stratum=2, Ignored=no }\n",
  );
  expect(ask({ settings, timesyncd, chrony: none })).toMatchObject({
    ...{ isSynchronized: true, service: "systemd-timesyncd", server: "192.0.2.9", stratum: 2 },
    ...{ behindMs: null, notRead: [] },
  });
});

test("what could not be asked is said, and is no clock that is wrong", () => {
  const reads = { settings: failed("a"), timesyncd: failed("b"), chrony: printed("506 Cannot\n") };
  expect(ask(reads)).toMatchObject({
    ...{ isSynchronized: null, isEnabled: null, service: null, notRead: ["a", "b"] },
  });
});
