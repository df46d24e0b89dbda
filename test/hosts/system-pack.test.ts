import { join } from "node:path";
import { openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askPack, grantPack, readyRunner } from "./installed-runner.ts";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

// What `sonde/system` says of a booted host that other machines do not have: a record of boots and
// logins, a service that keeps the clock. Read by the runner of the installed agent.

const isChecked = isCheckedHere("boots, logins, the clock and updates of a host");

/** As utmpdump(1) writes a record: type, process, id, user, line, host, address and time. */
const record = (type: number, user: string, line: string, from: string, at: string) =>
  `[${type}] [00001] [ts/0] [${user.padEnd(8)}] [${line.padEnd(12)}] [${from.padEnd(20)}] ` +
  `[0.0.0.0        ] [2026-11-${at}:00,000000+00:00]\n`;
const RECORDS = [
  record(2, "reboot", "~", "6.1.0-18-amd64", "20T08:00"),
  record(7, "ada", "pts/0", "192.0.2.7", "20T09:00"),
  record(8, "", "pts/0", "", "20T09:30"),
  record(2, "reboot", "~", "6.1.0-18-amd64", "22T03:00"),
  record(1, "shutdown", "~", "6.1.0-18-amd64", "25T04:00"),
  record(2, "reboot", "~", "6.1.0-50-amd64", "25T04:01"),
  // Its process, systemd itself, lives.
  record(7, "root", "tty1", "", "25T12:30"),
];
const CHRONY = "local stratum 8\nport 0\npidfile /run/chrony-of-test.pid\n";

let lab: Lab | undefined;
let host: Host;
let pack: PackTest;

beforeAll(async () => {
  if (!isChecked) return;
  pack = await openPackTest(join(import.meta.dirname, "../../packs/system"));
  const packages = obtainPackages("sonde-agent");
  lab = await startLab(["bubblewrap", "libstdc++6", "util-linux", "passwd", "chrony"]);
  host = await lab.boot("web-1");
  await host.install(join(packages, `sonde-agent_${RELEASE}_amd64.deb`));
  grantPack(host, pack.built.manifest);
  await readyRunner(host);
}, 600_000);
afterAll(async () => {
  if (pack !== undefined) pack.close();
  await lab?.close();
});

const ask = (probe: string, params: Record<string, unknown> = {}) =>
  askPack(host, "no-groups", pack, probe, params);

test.runIf(isChecked)("boots and logins are those of the host's record", async () => {
  const wtmp = { input: RECORDS.join("") };
  await host.mustExec(["sh", "-c", "utmpdump -r >/var/log/wtmp"], wtmp);
  expect(await ask("boots")).toMatchObject({
    ...{ bootCount: 3, withoutShutdownCount: 1, recordedSince: "2026-11-20T08:00:00.000Z" },
    boots: [
      { bootedAt: "2026-11-25T04:01:00.000Z", kernel: "6.1.0-50-amd64", end: "running" },
      {
        bootedAt: "2026-11-22T03:00:00.000Z",
        end: "shutdown",
        endedAt: "2026-11-25T04:00:00.000Z",
      },
      { bootedAt: "2026-11-20T08:00:00.000Z", end: "no shutdown", endedAt: null },
    ],
  });
  expect(await ask("logins")).toMatchObject({
    ...{ sessionCount: 2, countByUser: { ada: 1, root: 1 }, unreadableCount: 0 },
    sessions: [
      { user: "root", terminal: "tty1", from: null, until: null },
      { user: "ada", from: "192.0.2.7", until: "2026-11-20T09:30:00.000Z", end: "logged out" },
    ],
  });
  await host.mustExec(["rm", "/var/log/wtmp"]);
  expect(await ask("boots")).toMatchObject({ boots: null, bootCount: null });
});

test.runIf(isChecked)("the clock is kept by chrony, or by nobody", async () => {
  const before = await ask("time.sync");
  expect(before).toMatchObject({ isSynchronized: false, service: null, timeZone: "Etc/UTC" });
  host.writeFile("/etc/chrony-of-test.conf", CHRONY);
  const chronyd = ["/usr/sbin/chronyd", "-x", "-d", "-u", "root", "-f", "/etc/chrony-of-test.conf"];
  await host.mustExec(["systemd-run", "--unit=chrony-of-test", ...chronyd]);
  await expect.poll(() => ask("time.sync")).toMatchObject({ service: "chrony" });
  await expect.poll(() => ask("time.sync")).toMatchObject({ isSynchronized: true, stratum: 8 });
});

test.runIf(isChecked)(
  "a host that never fetched lists of packages does not know of updates",
  async () => {
    expect(await ask("packages.pending")).toMatchObject({ pendingCount: null, packages: [] });
  },
);
