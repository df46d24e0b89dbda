import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { isCheckedHere } from "./requirements.ts";

const isChecked = isCheckedHere("anything on booted hosts");

/** Sends a word to whoever connects. */
const LISTENER = `use IO::Socket::INET;
  my $socket = IO::Socket::INET->new(LocalPort => 7007, Listen => 5, ReuseAddr => 1) or die;
  while (my $peer = $socket->accept) { print $peer "hello\\n"; close $peer }`;
const ASK = `exec 3<>/dev/tcp/second/7007 && read -r word <&3 && [ "$word" = hello ]`;

let lab: Lab | undefined;
let first: Host;
let second: Host;
beforeAll(async () => {
  if (!isChecked) return;
  lab = await startLab();
  [first, second] = await Promise.all([lab.boot("first"), lab.boot("second")]);
  await second.mustExec(["systemd-run", "--unit=listener", "perl", "-e", LISTENER]);
}, 600_000);
afterAll(async () => {
  await lab?.close();
});

const isReached = async (): Promise<boolean> =>
  (await first.exec(["timeout", "2", "bash", "-c", ASK])).code === 0;

test.runIf(isChecked)("each host boots systemd, and has its own name and files", async () => {
  for (const host of [first, second]) {
    expect(await host.mustExec(["cat", "/proc/1/comm"])).toBe("systemd\n");
    expect(await host.mustExec(["hostname"])).toBe(`${host.name}\n`);
    expect(await host.mustExec(["systemctl", "is-system-running"])).toBe("running\n");
  }
  first.writeFile("/etc/only-here", "kept");
  expect((await second.exec(["cat", "/etc/only-here"])).code).toBe(1);
});

test.runIf(isChecked)(
  "a host reaches another one by name, but not through a partition",
  async () => {
    await expect.poll(isReached).toBe(true);
    await second.partition();
    expect(await isReached()).toBe(false);
    await second.heal();
    await expect.poll(isReached).toBe(true);
  },
);

/** How long one host takes to connect to another one: one round trip. */
async function measureConnect(): Promise<number> {
  const script = `begun=$EPOCHREALTIME; exec 3<>/dev/tcp/second/7007; ended=$EPOCHREALTIME
    echo $(( (\${ended/./} - \${begun/./}) / 1000 ))`;
  return Number(await first.mustExec(["bash", "-c", script]));
}

test.runIf(isChecked)("a delay holds back packets in both directions, until it ends", async () => {
  const delayMs = 200;
  await second.delay(delayMs);
  await measureConnect();
  // One that was late in one direction alone would take half of that.
  expect(await measureConnect()).toBeGreaterThanOrEqual(2 * delayMs);
  await second.partition();
  expect(await isReached()).toBe(false);
  await second.heal();
  await expect.poll(isReached).toBe(true);
  await second.delay(0);
  await expect.poll(measureConnect).toBeLessThan(delayMs);
});

const DAY_S = 86_400;
const TICK = "while :; do date +%s > /root/tick.new; mv /root/tick.new /root/tick; sleep 0.1; done";

test.runIf(isChecked)("a host's clock can be set, also for what runs", async () => {
  const ahead = async () => Number(await first.mustExec(["date", "+%s"])) - Date.now() / 1000;
  const unitAhead = () => Number(first.readFile("/root/tick")) - Date.now() / 1000;
  await first.setClock(0);
  await first.mustExec(["systemd-run", "--unit=tick", "sh", "-c", TICK]);
  for (const offset of [DAY_S, -DAY_S, 0]) {
    await first.setClock(offset * 1000);
    expect(Math.abs((await ahead()) - offset)).toBeLessThan(60);
    await expect.poll(() => Math.abs(unitAhead() - offset)).toBeLessThan(60);
  }
});

test.runIf(isChecked)("a host reaches nothing outside its lab", async () => {
  const { out } = await first.exec(["ip", "-brief", "-4", "address"]);
  expect(out.match(/\d+\.\d+\.\d+\.\d+/g)).toEqual(["127.0.0.1", first.address]);
  expect(await first.mustExec(["ip", "route"])).toBe(
    `192.0.2.0/24 dev host0 proto kernel scope link src ${first.address} \n`,
  );
});

test.runIf(isChecked)("a power cut ends every process, and files stay", async () => {
  const boot = await first.mustExec(["cat", "/proc/sys/kernel/random/boot_id"]);
  await first.mustExec(["systemd-run", "--unit=long", "sleep", "1000"]);
  first.writeFile("/etc/only-here", "kept");
  await first.kill();
  await first.start();
  expect((await first.exec(["systemctl", "is-active", "long"])).out).toBe("inactive\n");
  expect(await first.mustExec(["cat", "/etc/only-here"])).toBe("kept");
  expect(await first.mustExec(["cat", "/proc/sys/kernel/random/boot_id"])).not.toBe(boot);
  await expect.poll(isReached).toBe(true);
});

test.runIf(isChecked)("a closed lab leaves no file, mount, network or process", async () => {
  const other = await startLab();
  const { folder, network } = other;
  await other.boot("third");
  await other.close();
  expect(existsSync(folder)).toBe(false);
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(folder);
  expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(network);
  expect(execFileSync("ps", ["-e", "-o", "args"], { encoding: "utf8" })).not.toContain(folder);
  expect(listGroups().filter((name) => name.endsWith(network.slice(-6)))).toEqual([]);
});

const GROUPS = "/sys/fs/cgroup/systemd";
/** Control groups of hosts; while one is there, a process may be in it. */
const listGroups = (): string[] =>
  existsSync(GROUPS) ? readdirSync(GROUPS).filter((name) => name.startsWith("sonde-h")) : [];

test.runIf(isChecked)("what a killed run left is removed by the next lab", async () => {
  const script = `import { startLab } from "${import.meta.dirname}/lab.ts";
    const lab = await startLab(); await lab.boot("left"); console.log(lab.folder, lab.network);
    setInterval(() => undefined, 1000);`;
  const words = ["--conditions=sonde:source", "--input-type=module", "--eval", script];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const [folder = "", network = ""] = line.toString().trim().split(" ");
  expect(existsSync(folder)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await startLab()).close();
  expect(existsSync(folder)).toBe(false);
  expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(network);
  expect(execFileSync("ps", ["-e", "-o", "args"], { encoding: "utf8" })).not.toContain(folder);
});
