import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What sonde/systemd says of this machine, read by a real runner. test/hosts/systemd-pack.test.ts asks
// a booted host.

const isBooted = existsSync("/run/systemd/system");
const isRoot = process.getuid?.() === 0;

let pack: AskedPack;
beforeAll(async () => {
  pack = await openAskedPack("systemd");
}, 60_000);
afterAll(() => pack.close());

const PROBES: [string, Record<string, unknown>][] = [
  ["units.failed", {}],
  ["units", {}],
  ["unit.status", { name: "ssh" }],
  ["unit.restarts", {}],
  ["timers", {}],
  ["boot.slow", {}],
];

test.each(PROBES)(
  "%s without systemd is a failure in words, no empty answer",
  async (probe, params) => {
    if (isBooted) {
      process.stderr.write(`NOT CHECKED: ${probe} without systemd; it runs on this machine\n`);
      expect(await pack.ask(probe, params)).toBeTypeOf("object");
      return;
    }
    await expect(pack.ask(probe, params)).rejects.toThrow(/READ_FAILED|SOURCE_NOT_FOUND/);
    await expect(pack.ask(probe, params)).rejects.toThrow(/systemd|systemctl/);
  },
);

const TREES = ["memory", "pids", "cpuacct"].map((name) => `/sys/fs/cgroup/${name}`);

test("cgroup.usage has what a busy group uses, as the kernel counts it", async () => {
  if (!isRoot || isBooted || !TREES.every((tree) => existsSync(tree))) {
    process.stderr.write("NOT CHECKED: cgroup.usage of a group of version 1; needs root\n");
    return;
  }
  const name = `sonde-test-${process.pid}.scope`;
  const groups = TREES.map((tree) => join(tree, "machine.slice", name));
  for (const group of groups) mkdirSync(group, { recursive: true });
  // The kernel counts what is taken from the group's start on.
  const work = "const kept = Buffer.alloc(60e6, 1); for (;;);";
  const busy = spawn(process.execPath, ["-e", `process.stdin.once("data", () => { ${work} });`], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  onTestFinished(async () => {
    const ended = once(busy, "exit");
    busy.kill("SIGKILL");
    await ended;
    for (const group of groups) {
      rmdirSync(group);
      if (readFileSync(join(group, "../cgroup.procs"), "utf8") === "") rmdirSync(join(group, ".."));
    }
  });
  for (const group of groups) writeFileSync(join(group, "cgroup.procs"), String(busy.pid));
  busy.stdin.write("go\n");
  const countOf = (tree: number, file: string) =>
    Number(readFileSync(join(groups[tree] ?? "", file), "utf8"));
  await expect.poll(() => countOf(0, "memory.usage_in_bytes")).toBeGreaterThan(60e6);
  type Unit = { name: string; memoryBytes: number; taskCount: number; cpuPercent: number };
  const { units } = (await pack.ask("cgroup.usage", { slice: "machine.slice", limit: 500 })) as {
    units: Unit[];
  };
  const found = units.find((unit) => unit.name === name);
  expect((found?.memoryBytes ?? 0) / countOf(0, "memory.usage_in_bytes")).toBeCloseTo(1, 1);
  expect(found?.taskCount).toBe(countOf(1, "pids.current"));
  expect(found?.cpuPercent).toBeGreaterThan(1);
  expect(found?.cpuPercent).toBeLessThan(150);
});

test("cgroup.usage of a slice that this machine does not have is a failure", async () => {
  if (existsSync("/sys/fs/cgroup/user.slice")) {
    process.stderr.write("NOT CHECKED: cgroup.usage without a slice; this machine has it\n");
    return;
  }
  const asked = pack.ask("cgroup.usage", { slice: "user.slice" });
  await expect(asked).rejects.toThrow("expected control groups of the slice, got none");
});

// Attack 50.
test("no careless name of a unit is taken, by the agent's check", () => {
  const { manifest } = pack;
  const fill = (name: string) => planReads(manifest, "unit.status", { name }).now;
  const hosts = ["-Hroot@evil", "-H", "--host=evil", "-M", "--machine=x", "--root=/x"];
  const others = [
    "--user",
    "--",
    "../x",
    "/etc/passwd",
    "a/b",
    "a b",
    "*",
    "ssh*",
    "[a]",
    ".x",
    "",
  ];
  for (const name of [...hosts, ...others, "ssh\n--user", "ssh\0", "x".repeat(256)]) {
    expect(() => fill(name), name).toThrow(expect.objectContaining({ code: "PARAMS_INVALID" }));
  }
  const [read] = fill("getty@tty1.service");
  expect(read?.source).toMatchObject({ argv: expect.arrayContaining(["--", { hole: "name" }]) });
  const argv = read?.source.kind === "exec" ? read.source.argv : [];
  expect(argv.indexOf("--")).toBe(argv.length - 2);
});
