import { expect, test } from "vitest";
import { logins } from "./logins.ts";

const LAST = `root     tty1         2026-11-28T12:30:00+00:00   gone - no logout
ada      pts/0        2026-11-27T13:00:00+01:00   still logged in                        2001:db8::7
reboot   system boot  2026-11-25T04:01:00+00:00   still running                          6.1.0-50-amd64
shutdown system down  2026-11-25T04:00:00+00:00 - 2026-11-25T04:01:00+00:00  (00:01)     6.1.0-18-amd64
root     pts/1        2026-11-21T10:00:00+00:00 - crash                      (17:00)     bastion.example.com
reboot   pts/2        2026-11-21T09:00:00+00:00 - 2026-11-21T09:10:00+00:00  (00:10)     192.0.2.7
runlevel (to lvl 5)   2026-11-20T08:00:10+00:00 - 2026-11-25T04:00:00+00:00 (4+19:59)    6.1.0-18-amd64
`;
const reads = {
  sessions: {
    ok: true as const,
    samples: [{ at: 0, truncated: false, data: { stdout: LAST, stderr: "", exitCode: 0 } }],
  },
};

test("those who are logged in are first, and a user called reboot is one", () => {
  expect(logins.call({ params: {}, now: 0, reads })).toMatchObject({
    ...{ sessionCount: 4, loggedInCount: 1, countByUser: { root: 2, ada: 1, reboot: 1 } },
    sessions: [
      { user: "ada", from: "2001:db8::7", until: null, end: "logged in" },
      { user: "root", terminal: "tty1", from: null, end: "no logout recorded" },
      { user: "root", from: "bastion.example.com", until: null, end: "the host crashed" },
      { user: "reboot", until: "2026-11-21T09:10:00.000Z", end: "logged out" },
    ],
    ...{ incomplete: false, unreadableCount: 0 },
  });
  expect(logins.call({ params: { user: "ada", limit: 1 }, now: 0, reads })).toMatchObject({
    ...{ sessionCount: 1, sessions: [{ user: "ada" }] },
  });
});
