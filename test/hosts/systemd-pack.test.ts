import { join } from "node:path";
import { openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import type { FilledRead } from "@sonde/schemas/reads";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import { until } from "../product/start-product.ts";
import {
  askInstalledRunner,
  askPack,
  diagnoseHost,
  grantPack,
  readyRunner,
} from "./installed-runner.ts";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

// What `sonde/systemd` says of a booted host, read by the runner of the installed agent: as the user
// `sonde-run`, in the unit's own confinement. Beside it stands what systemd tells root.

const isChecked = isCheckedHere("systemd and its units on a host");
const RUNNER = "sonde-runner@no-groups.service";

/** Units that are really set up, by their names. */
const UNITS = {
  "broken.service": `[Unit]\nDescription=Broken on purpose\n[Service]\nExecStart=/bin/sh -c "exit 3"\n`,
  "crashing.service": `[Service]\nExecStart=/bin/sh -c "kill -SEGV $$$$"\nLimitCORE=0\n`,
  "looping.service":
    "[Unit]\nStartLimitIntervalSec=0\n" +
    `[Service]\nExecStart=/bin/sh -c "exit 7"\nRestart=always\nRestartSec=200ms\n`,
  "given-up.service":
    "[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=3\n" +
    "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=0\n",
  "busy.service":
    `[Service]\nExecStart=/bin/sh -c "while :; do :; done"\nEnvironment=TOKEN=private-token\n` +
    "MemoryMax=64M\nTasksMax=50\n",
  "hourly.service": `[Service]\nType=oneshot\nExecStart=/bin/sh -c "exit 4"\n`,
  "hourly.timer": "[Timer]\nOnActiveSec=0\nOnUnitActiveSec=1h\nAccuracySec=1us\n",
  "bad.service": "[Service]\nType=nonsense\n",
};

let lab: Lab | undefined;
let host: Host;
let pack: PackTest;

beforeAll(async () => {
  if (!isChecked) return;
  pack = await openPackTest(join(import.meta.dirname, "../../packs/systemd"));
  const packages = obtainPackages("sonde-agent");
  lab = await startLab(["bubblewrap", "libstdc++6", "util-linux", "passwd"]);
  host = await lab.boot("web-1");
  await host.install(join(packages, `sonde-agent_${RELEASE}_amd64.deb`));
  grantPack(host, pack.built.manifest);
  for (const [name, text] of Object.entries(UNITS)) {
    host.writeFile(`/etc/systemd/system/${name}`, text);
  }
  await readyRunner(host);
  const set = Object.keys(UNITS).filter((name) => !/^(hourly.service|bad.service)$/.test(name));
  for (const name of set) await host.exec(["systemctl", "start", name]);
  for (const name of ["broken", "crashing", "given-up", "hourly"]) {
    const hasFailed = async () => (await showUnit(`${name}.service`, "ActiveState")) === "failed";
    await until(`${name} to fail`, hasFailed);
  }
}, 600_000);
afterAll(async () => {
  if (pack !== undefined) pack.close();
  await lab?.close();
});

/** What systemd tells root. */
async function showUnit(name: string, property: string): Promise<string> {
  const out = await host.mustExec(["systemctl", "show", `--property=${property}`, "--value", name]);
  return out.trim();
}

const readFor = (probe: string, params: Record<string, unknown>) =>
  askInstalledRunner(host, "no-groups", planReads(pack.built.manifest, probe, params).now);
const ask = async <Result>(probe: string, params: Record<string, unknown> = {}) =>
  (await askPack(host, "no-groups", pack, probe, params)) as Result;

type Named = { name: string };
const find = <Unit extends Named>(units: readonly Unit[], name: string) =>
  units.find((unit) => unit.name === name);

test.runIf(isChecked)("units that failed, with why and how the program ended", async () => {
  const { units, failedCount } = await ask<{ units: Named[]; failedCount: number }>("units.failed");
  expect(find(units, "broken.service")).toMatchObject({
    ...{ description: "Broken on purpose", result: "exit-code", end: "exit code 3" },
    failedAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
  expect(find(units, "crashing.service")).toMatchObject({ result: "signal", end: "signal 11" });
  expect(find(units, "given-up.service")).toMatchObject({ end: "exit code 1" });
  expect(find(units, "looping.service")).toBeUndefined();
  const listed = await host.mustExec(["systemctl", "--failed", "--no-legend", "--plain"]);
  const names = listed.split("\n").flatMap((line) => line.split(" ")[0] || []);
  expect(units.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  expect(failedCount).toBe(names.length);
});

test.runIf(isChecked)(
  "a restart loop is first, and one that systemd gave up on is there",
  async () => {
    type Service = Named & { restartsMeanwhile: number; restartCount: number };
    // Null when the program ran at both looks.
    const services = await until("the program to be seen when it has ended", async () => {
      const answer = await ask<{ services: (Service & { end: string | null })[] }>("unit.restarts");
      return answer.services[0]?.end !== null && answer.services;
    });
    expect(services[0]).toMatchObject({ name: "looping.service", end: "exit code 7" });
    expect(services[0]?.restartsMeanwhile).toBeGreaterThan(1);
    expect(find(services, "given-up.service")).toMatchObject({
      ...{ restartsMeanwhile: 0, restartCount: 3, activeState: "failed" },
    });
    expect(find(services, "busy.service")).toBeUndefined();
  },
);

test.runIf(isChecked)("units by state and type are as many as systemctl lists", async () => {
  const count = async (...words: string[]) => {
    const argv = ["systemctl", "list-units", "--all", "--no-legend", "--plain", ...words];
    return (await host.mustExec(argv)).trim().split("\n").length;
  };
  type Units = { unitCount: number; units: Named[] };
  const timers = await ask<Units>("units", { type: "timer" });
  expect(timers.unitCount).toBe(await count("--type=timer"));
  const mounts = await ask<Units>("units", { type: "mount", state: "active", limit: 500 });
  expect(mounts.units).toHaveLength(await count("--type=mount", "--state=active"));
  const all = await ask<Units>("units", { nameContains: "broken", limit: 1 });
  expect(all).toMatchObject({ unitCount: 1, units: [{ activeState: "failed" }] });
});

test.runIf(isChecked)(
  "one unit: state, process, limits and files, and no word of its environment",
  async () => {
    const busy = await ask<Record<string, unknown>>("unit.status", { name: "busy" });
    expect(busy).toMatchObject({
      ...{ name: "busy.service", loadState: "loaded", activeState: "active", subState: "running" },
      ...{ mainPid: Number(await showUnit("busy.service", "MainPID")), restartPolicy: "no" },
      ...{ memoryLimitBytes: 64 * 1024 * 1024, taskLimit: 50, filesChanged: false, end: null },
      files: ["/etc/systemd/system/busy.service"],
    });
    expect(JSON.stringify(busy)).not.toContain("private-token");
    const timer = await ask("unit.status", { name: "hourly.timer" });
    expect(timer).toMatchObject({ triggers: ["hourly.service"], mainPid: null });
    const bad = await ask("unit.status", { name: "bad.service" });
    expect(bad).toMatchObject({ loadState: "bad-setting" });
    const none = await ask("unit.status", { name: "nothing.service" });
    expect(none).toMatchObject({
      loadState: "not-found",
      activeState: "inactive",
      stateSince: null,
    });
  },
);

test.runIf(isChecked)("a timer whose last run failed is first", async () => {
  const { timers, timerCount } = await ask<{
    timers: (Named & { nextAt: string })[];
    timerCount: number;
  }>("timers");
  expect(timers[0]).toMatchObject({
    ...{ name: "hourly.timer", starts: "hourly.service", lastResult: "exit-code" },
    ...{ end: "exit code 4", isLate: false, isRunning: false },
  });
  const next = Date.parse(timers[0]?.nextAt ?? "") - Date.now();
  expect(next).toBeGreaterThan(3000_000);
  expect(next).toBeLessThan(3600_000);
  const listed = await host.mustExec(["systemctl", "list-timers", "--all", "--no-legend"]);
  expect(timerCount).toBe(listed.trim().split("\n").length);
});

test.runIf(isChecked)("the boot is what systemd-analyze says of it", async () => {
  type Boot = {
    userspaceMs: number;
    slowest: (Named & { tookMs: number })[];
    chain: (Named & { activeAtMs: number })[];
  };
  const boot = await ask<Boot>("boot.slow", { limit: 200 });
  const { out } = await host.exec(["systemd-analyze", "time"]);
  const said = /Startup finished in (?:(\d+(?:\.\d+)?)s|(\d+)ms) \(userspace\)/.exec(out);
  expect(said, out).not.toBeNull();
  const userspaceMs = said?.[1] === undefined ? Number(said?.[2]) : Number(said[1]) * 1000;
  expect(Math.abs(boot.userspaceMs - userspaceMs)).toBeLessThanOrEqual(2);
  const chain = await host.mustExec(["systemd-analyze", "critical-chain", "--no-pager"]);
  const names = chain.split("\n").flatMap((line) => /([^ └─]+\.[a-z]+) @/.exec(line)?.[1] ?? []);
  expect(names.length).toBeGreaterThan(3);
  expect(
    boot.chain
      .map(({ name }) => name)
      .toReversed()
      .slice(0, names.length),
  ).toEqual(names);
  // Units that started later are not part of the boot.
  expect(find(boot.slowest, "hourly.service")).toBeUndefined();
  const blame = await host.mustExec(["systemd-analyze", "blame", "--no-pager"]);
  for (const { name, tookMs } of boot.slowest.slice(0, 5)) {
    const line = blame.split("\n").find((one) => one.endsWith(` ${name}`)) ?? "";
    const [, whole, part] = /(?:(\d+(?:\.\d+)?)s|(\d+)ms) /.exec(line) ?? [];
    const ms = whole === undefined ? Number(part) : Number(whole) * 1000;
    expect(Math.abs(tookMs - ms), `${name}: ${line}`).toBeLessThanOrEqual(2);
  }
});

test.runIf(isChecked)("the unit that uses a CPU is first", async () => {
  type Usage = { cgroupVersion: string; units: (Named & { cpuPercent: number })[] };
  const { units } = await ask<Usage>("cgroup.usage", { sortBy: "cpu" });
  expect(units[0]?.name).toBe("busy.service");
  expect(units[0]?.cpuPercent).toBeGreaterThan(10);
  expect(units[0]?.cpuPercent).toBeLessThan(110);
});

test.runIf(isChecked)("a diagnosis finds what was set up, the worst first", async () => {
  const { findings, unseen } = await diagnoseHost(host, "no-groups", pack);
  const found = findings.map(({ finding, evidence }) => [finding, evidence[0]?.["name"]]);
  expect(found.slice(0, 2)).toEqual([
    [expect.stringContaining("systemd gave up on a service"), "given-up.service"],
    [expect.stringContaining("started again and again"), "looping.service"],
  ]);
  expect(found).toContainEqual([
    expect.stringContaining("What a timer starts has failed"),
    "hourly.timer",
  ]);
  const failed = findings.find(({ finding }) => finding === "A unit has failed.");
  expect(failed?.evidence.map(({ name }) => name)).toContain("broken.service");
  expect(unseen).toEqual([]);
});

// Attack 50. The agent refuses such names, and so does the runner, whoever asks it.
test.runIf(isChecked)("no careless name of a unit reaches systemctl", async () => {
  const careless = ["-Hroot@evil", "--host=evil", "--user", "-M.host", "../x", "/etc/passwd", "*"];
  for (const name of [...careless, "a b", "ssh.service\n--user", "a\0b", "", ".", "@"]) {
    expect(() => planReads(pack.built.manifest, "unit.status", { name })).toThrow(
      expect.objectContaining({ code: "PARAMS_INVALID" }),
    );
    const [filled] = planReads(pack.built.manifest, "unit.status", { name: "ssh" }).now;
    const asked = { ...(filled as FilledRead), values: { name } };
    const { unit } = await askInstalledRunner(host, "no-groups", [asked]);
    expect([name, unit]).toMatchObject([name, { ok: false, failure: { code: "PARAMS_INVALID" } }]);
  }
});

test.runIf(isChecked)("the runner's user may look at units and change none", async () => {
  const asRunner = ["setpriv", "--reuid=sonde-run", "--regid=sonde-run", "--clear-groups"];
  const stop = await host.exec([...asRunner, "systemctl", "stop", "busy.service"]);
  expect(stop.code).not.toBe(0);
  expect(await showUnit("busy.service", "ActiveState")).toBe("active");
  const security = await host.exec(["systemd-analyze", "security", "--no-pager", RUNNER]);
  expect(Number(/exposure level for [^:]+: ([0-9.]+)/.exec(security.out)?.[1])).toBeLessThanOrEqual(
    3,
  );
});

test.runIf(isChecked)("without D-Bus the answer says so, and is no empty list", async () => {
  const bus = "/run/dbus/system_bus_socket";
  await host.mustExec(["mv", bus, `${bus}.away`]);
  try {
    for (const probe of ["units.failed", "units", "unit.restarts", "timers", "boot.slow"]) {
      const outcomes = Object.values(await readFor(probe, {}));
      expect(outcomes[0]).toMatchObject({
        ...{ ok: false },
        failure: { code: "READ_FAILED", message: expect.stringContaining("connect to bus") },
      });
    }
  } finally {
    await host.mustExec(["mv", `${bus}.away`, bus]);
  }
});
