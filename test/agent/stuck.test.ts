import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { FilledRead } from "@sonde/schemas/reads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestBench, createTestBench } from "./start-runner.ts";

let bench: TestBench;
beforeEach(async () => {
  bench = await createTestBench();
});
afterEach(() => bench.close());

const file = (path: string): FilledRead => ({
  name: "it",
  source: { kind: "file", path, timeoutMs: 300, maxBytes: 1000 },
  values: {},
});

test("a FIFO neither delays a read nor ends the runner", async () => {
  const fifo = join(bench.workshop.folder, "fifo");
  spawnSync("mkfifo", [fifo]);
  const runner = bench.startRunner();
  const { reads } = await bench.link.read([file(fifo)], 1000, [], true);
  expect(reads["it"]).toMatchObject({ ok: false, failure: { code: "READ_FAILED" } });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  expect(runner.exitCode ?? runner.signalCode).toBe(null);
});

test("a runner that stops answering is abandoned and its question retried on another runner", async () => {
  const first = bench.startRunner();
  await bench.link.read([file("/proc/uptime")], 1000, [], true);
  process.kill(first.pid ?? 0, "SIGSTOP");
  const stateOf = () => readFileSync(`/proc/${first.pid}/status`, "utf8");
  await expect.poll(stateOf).toMatch(/^State:\s+T/m);
  const reading = bench.link.read([file("/proc/uptime")], 300, [], true);
  bench.startRunner();
  expect((await reading).reads["it"]).toMatchObject({ ok: true });
  expect(bench.link.runners().map(({ pid }) => pid)).not.toContain(first.pid);
  process.kill(first.pid ?? 0, "SIGKILL");
});

// A FUSE file server that never answers. Mounting it needs root.
const canMount = process.getuid?.() === 0;

test.runIf(canMount)(
  "a runner with a read stuck in the kernel answers, then ends itself",
  async () => {
    const mountPoint = join(bench.workshop.folder, "dead");
    mkdirSync(mountPoint);
    const device = openSync("/dev/fuse", "r+");
    const options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other";
    const mounted = spawnSync("mount", ["-i", "-t", "fuse", "-o", options, "none", mountPoint], {
      stdio: ["ignore", "ignore", "inherit", device],
    });
    expect(mounted.status).toBe(0);
    try {
      const runner = bench.startRunner();
      await bench.link.read([file("/proc/uptime")], 1000, [], true);
      const stuck = await bench.link.read(
        [file(join(mountPoint, "x")), { ...file("/etc/hostname"), name: "fine" }],
        1000,
        [],
        true,
      );
      expect(stuck.reads["it"]).toMatchObject({ ok: false, failure: { code: "READ_TIMEOUT" } });
      expect(stuck.reads["fine"]).toMatchObject({ ok: true });
      // The other mounts are still reported, because a separate process queries the dead one.
      const source = { kind: "filesystem" as const, timeoutMs: 2000, maxBytes: 1_000_000 };
      const { reads } = await bench.link.read([{ name: "df", source, values: {} }], 3000, [], true);
      const mounts = JSON.stringify(reads["df"]);
      expect(mounts).toMatch(/"mountPoint":"\/","[^}]*"totalBytes":[1-9]/);
      expect(mounts).toContain(mountPoint);
      await expect.poll(() => runner.signalCode).toBe("SIGKILL");
      expect(bench.log.join()).toContain("runner-stuck");
      bench.startRunner();
      expect(
        (await bench.link.read([file("/proc/uptime")], 1000, [], true)).reads["it"],
      ).toMatchObject({
        ok: true,
      });
    } finally {
      spawnSync("umount", ["-l", mountPoint]);
      closeSync(device);
    }
  },
);
