import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What sonde/system says of this machine, read by a real runner, beside what other programs say.

let pack: AskedPack;
beforeAll(async () => {
  pack = await openAskedPack("system");
}, 60_000);
afterAll(() => pack.close());

const ask: AskedPack["ask"] = (probe, params) => pack.ask(probe, params);
const say = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: "utf8" }).trim();

test("cpu.usage sees a program that keeps a CPU busy", async () => {
  const busy = spawn(process.execPath, ["-e", "for (;;);"]);
  onTestFinished(() => void busy.kill("SIGKILL"));
  const usage = (await ask("cpu.usage")) as {
    cpuCount: number;
    total: { busyPercent: number };
    contextSwitchesPerSecond: number;
  };
  expect(usage.cpuCount).toBe(cpus().length);
  // One of the CPUs is busy, less what a hypervisor takes.
  expect(usage.total.busyPercent).toBeGreaterThan(50 / usage.cpuCount);
  expect(usage.contextSwitchesPerSecond).toBeGreaterThan(0);
});

test("disk.io sees what is written to the disk meanwhile", async () => {
  const folder = mkdtempSync("/var/tmp/sonde-disk-io-");
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const block = Buffer.alloc(1024 * 1024, 1);
  const file = openSync(join(folder, "file"), "w");
  let writing = true;
  const writes = (async () => {
    while (writing) {
      writeSync(file, block);
      fsyncSync(file);
      await new Promise((done) => setTimeout(done, 20));
    }
    closeSync(file);
  })();
  const { devices } = (await ask("disk.io")) as {
    devices: { device: string; writeBytesPerSecond: number; utilisationPercent: number }[];
  };
  writing = false;
  await writes;
  const isDisk = statfsSync(folder).type !== 0x0102_1994;
  if (!isDisk) process.stderr.write("NOT CHECKED: disk.io; /var/tmp is in memory\n");
  const written = devices.reduce((sum, device) => sum + device.writeBytesPerSecond, 0);
  expect(written).toBeGreaterThan(isDisk ? block.length : -1);
});

test("block.devices has the sizes that the kernel states", async () => {
  const { devices } = (await ask("block.devices")) as {
    devices: { name: string; sizeBytes: number }[];
  };
  const stated = new Map(
    say("lsblk", "-rbno", "NAME,SIZE")
      .split("\n")
      .map((line): [string, number] => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]),
  );
  expect(devices.length).toBe(stated.size);
  for (const { name, sizeBytes } of devices)
    expect([name, stated.get(name)]).toEqual([name, sizeBytes]);
});

test("process.detail says what ps says, and of a process that is gone that it is not found", async () => {
  const child = spawn("sleep", ["600"]);
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const fields = "ppid=,uid=,nlwp=,rss=,comm=";
  const [parentPid, userId, threads, rss, name] = say("ps", "-o", fields, "-p", String(pid)).split(
    /\s+/,
  );
  const { process: detail } = (await ask("process.detail", { pid })) as {
    process: { residentBytes: number; startedAt: string };
  };
  expect(detail).toMatchObject({
    name,
    program: "sleep",
    state: "S",
    parentPid: Number(parentPid),
    userId: Number(userId),
    threadCount: Number(threads),
    residentBytes: Number(rss) * 1024,
  });
  expect(Math.abs(Date.parse(detail.startedAt) - Date.now())).toBeLessThan(60_000);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(await ask("process.detail", { pid })).toEqual({ found: false, process: null });
});

test("limits are those of sysctl", async () => {
  const { limits } = (await ask("limits")) as { limits: { name: string; limit: number }[] };
  const found = new Map(limits.map(({ name, limit }) => [name, limit]));
  expect(found.get("tasks")).toBe(Number(say("sysctl", "-n", "kernel.threads-max")));
  expect(found.get("process ids")).toBe(Number(say("sysctl", "-n", "kernel.pid_max")));
});

test("users are those of getent that a shell lets in", async () => {
  const { accountCount, logins } = (await ask("users")) as {
    accountCount: number;
    logins: { name: string; userId: number }[];
  };
  const lines = say("getent", "-s", "files", "passwd").split("\n");
  expect(accountCount).toBe(lines.length);
  expect(logins[0]).toMatchObject({ name: "root", userId: 0 });
});

test("mounts and pressure are those of the kernel, and a reboot is told from the kernels in /boot", async () => {
  const { mounts } = (await ask("mounts", { all: true, limit: 1000 })) as {
    mounts: { mountPoint: string }[];
  };
  expect(mounts.map(({ mountPoint }) => mountPoint)).toContain("/proc");
  expect(await ask("pressure")).toHaveProperty("memory");
  expect(await ask("reboot.needed")).toMatchObject({ runningKernel: say("uname", "-r") });
  expect(await ask("memory.activity")).toMatchObject({ faultsPerSecond: expect.any(Number) });
});

test("processes.stuck counts no process that only sleeps", async () => {
  const child = spawn("sleep", ["600"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  const { stuck } = (await ask("processes.stuck", { limit: 500 })) as { stuck: { pid: number }[] };
  expect(stuck.map(({ pid }) => pid)).not.toContain(child.pid);
});

test("boots has the start of the kernel, and as many boots as last counts", async () => {
  const { kernelBootedAt, boots } = (await ask("boots", { limit: 200 })) as {
    kernelBootedAt: string;
    boots: { bootedAt: string }[] | null;
  };
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  const started = Date.now() - uptime * 1000;
  expect(Math.abs(Date.parse(kernelBootedAt) - started)).toBeLessThan(5000);
  if (boots === null) {
    process.stderr.write("NOT CHECKED: boots as last counts them; this machine has no last\n");
    return;
  }
  const counted = say("last", "-n", "1000", "reboot").split("\n");
  expect(boots).toHaveLength(counted.filter((line) => line.startsWith("reboot ")).length);
});

test("logins has as many sessions as last counts", async () => {
  const { sessionCount, incomplete } = (await ask("logins")) as {
    sessionCount: number;
    incomplete: boolean;
  };
  expect(incomplete).toBe(false);
  const counted = say("last", "-n", "1000").split("\n");
  const isSession = (line: string) => /^\S/.test(line) && !/^(reboot|\S+ begins) /.test(line);
  expect(sessionCount).toBe(counted.filter(isSession).length);
});

test("packages.pending has the updates that apt lists", async () => {
  if (!existsSync("/usr/bin/apt")) {
    process.stderr.write("NOT CHECKED: packages.pending; this machine has no apt\n");
    return;
  }
  const { packages, pendingCount, keptBack } = (await ask("packages.pending", { limit: 1000 })) as {
    packages: { name: string; installed: string | null; available: string }[];
    pendingCount: number | null;
    keptBack: string[];
  };
  const listed = say("apt", "list", "--upgradable")
    .split("\n")
    .filter((line) => line.includes("/"));
  if (pendingCount === null) {
    process.stderr.write("NOT CHECKED: packages.pending; this machine has no lists of packages\n");
    expect(listed).toEqual([]);
    return;
  }
  const found = packages.filter(({ installed }) => installed !== null);
  expect(found.length + keptBack.length).toBe(listed.length);
  for (const { name, installed, available } of found) {
    const line = listed.find((one) => one.startsWith(`${name}/`)) ?? "";
    expect(line, name).toContain(` ${available} `);
    expect(line, name).toContain(`[upgradable from: ${installed}]`);
  }
});

test("time.sync says what timedatectl says, or that it could not be asked", async () => {
  const { isSynchronized, timeZone, notRead } = (await ask("time.sync")) as {
    isSynchronized: boolean | null;
    timeZone: string | null;
    notRead: string[];
  };
  if (existsSync("/run/systemd/system")) {
    expect(timeZone).toBe(say("timedatectl", "show", "--property=Timezone", "--value"));
    return;
  }
  process.stderr.write("NOT CHECKED: time.sync by systemd; test/hosts/system-pack.test.ts does\n");
  expect(notRead.join()).toContain("timedatectl");
  // chrony may run without systemd.
  if (notRead.join().includes("chronyc")) expect(isSynchronized).toBeNull();
});
