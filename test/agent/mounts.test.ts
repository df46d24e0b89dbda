import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type ReadOutcome } from "@sonde/schemas/reads";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type TestBench, createTestBench } from "./start-runner.ts";

// Each runner here sees a mount table of its own, which needs root.
const isRoot = process.getuid?.() === 0;

let bench: TestBench;
let place: string;
beforeEach(async () => {
  bench = await createTestBench();
  place = join(bench.workshop.folder, "m");
  mkdirSync(place, { mode: 0o755 });
});
afterEach(() => bench.close());

type Mount = {
  mountPoint: string;
  deviceNumber: string;
  totalBytes?: number;
  failure?: { code: string; message: string };
};

async function readMounts(timeoutMs = 3000, maxBytes = 1_048_576): Promise<Mount[]> {
  return (await readTable(timeoutMs, maxBytes)).mounts;
}

async function readTable(timeoutMs = 3000, maxBytes = 1_048_576) {
  const source = { kind: "filesystem" as const, timeoutMs, maxBytes };
  await expect.poll(() => bench.link.runners(), { timeout: 30_000 }).toHaveLength(1);
  const asked = [{ name: "df", source, values: {} }];
  const { reads } = await bench.link.read(asked, timeoutMs + 2000, [], true);
  const outcome = reads["df"] as ReadOutcome;
  if (!outcome.ok) throw new Error(outcome.failure.message);
  const [sample] = outcome.samples;
  const data = sample?.data as { mounts: Mount[]; hidden: Mount[]; leftOut: number };
  return { ...data, truncated: sample?.truncated };
}

const beneath = (mounts: Mount[]) =>
  mounts
    .filter(({ mountPoint }) => mountPoint.startsWith(`${place}/`))
    .map((mount) => ({ ...mount, at: mount.mountPoint.slice(place.length) }));

describe.runIf(isRoot)("the mount table", () => {
  test("a mount that a later one hides has no size, and is not missing", async () => {
    bench.startRunnerAmongMounts(`
      mkdir -p ${place}/v/tmp ${place}/twice
      mount -t tmpfs -o size=1m a ${place}/v/tmp
      mount -t tmpfs -o size=2m b ${place}/v; mkdir ${place}/v/tmp
      mount -t tmpfs -o size=4m c ${place}/twice
      mount -t tmpfs -o size=8m d ${place}/twice
    `);
    const { mounts, hidden } = await readTable();
    expect(beneath(mounts)).toMatchObject([
      { at: "/twice", device: "d", totalBytes: 8 * 1024 * 1024 },
      { at: "/v", device: "b", totalBytes: 2 * 1024 * 1024 },
    ]);
    const number = expect.stringMatching(/^\d+:\d+$/);
    expect(beneath(hidden)).toEqual([
      expect.objectContaining({ at: "/twice", device: "c", deviceNumber: number, type: "tmpfs" }),
      expect.objectContaining({ at: "/v/tmp", device: "a", deviceNumber: number, type: "tmpfs" }),
    ]);
  });

  test("a filesystem is one by its device number, whatever its source is called", async () => {
    bench.startRunnerAmongMounts(`
      mkdir -p ${place}/a ${place}/b ${place}/bound
      mount -t tmpfs -o size=1m /dev/shm ${place}/a
      mount -t tmpfs -o size=2m /dev/shm ${place}/b
      mount --bind ${place}/a ${place}/bound
    `);
    const [a, b, bound] = beneath(await readMounts());
    expect([a?.totalBytes, b?.totalBytes]).toEqual([1024 * 1024, 2 * 1024 * 1024]);
    expect(bound).toMatchObject({ totalBytes: 1024 * 1024, deviceNumber: a?.deviceNumber });
    expect(b?.deviceNumber).not.toBe(a?.deviceNumber);
  });

  test("a mount whose path has a blank, a tab, a line break and a backslash is asked there", async () => {
    bench.startRunnerAmongMounts(`
      odd="$(printf '%b' '${place}/a b\\\\c\\td\\ne#')"
      mkdir "$odd"; mount -t tmpfs -o size=1m x "$odd"
    `);
    expect(beneath(await readMounts())).toMatchObject([
      { at: "/a b\\c\td\ne#", totalBytes: 1024 * 1024 },
    ]);
  });

  test("a path that may not be entered is no obstacle where the filesystem is bound elsewhere", async () => {
    bench.startRunnerAmongMounts(`
      mkdir -p ${place}/a/closed ${place}/open ${place}/b
      mount -t tmpfs -o size=1m x ${place}/a/closed
      mount --bind ${place}/a/closed ${place}/open
      mkdir -m 755 ${place}/b/closed; mount -t tmpfs -o size=2m y ${place}/b/closed
      chmod 700 ${place}/a ${place}/b
    `);
    expect(beneath(await readMounts())).toMatchObject([
      { at: "/a/closed", totalBytes: 1024 * 1024 },
      { at: "/b/closed", failure: { code: "PERMISSION_NEEDED" } },
      { at: "/open", totalBytes: 1024 * 1024 },
    ]);
  });

  test("a thousand mounts are all answered; where bytes end, storage is kept and the rest counted", async () => {
    bench.startRunnerAmongMounts(`
      mkdir -p ${place}/n; mount -t tmpfs -o size=1m top ${place}/n
      i=0; while [ $i -lt 1010 ]; do
        mkdir ${place}/n/$i; mount -n -i -t tmpfs -o size=4k n ${place}/n/$i; i=$((i+1))
      done
    `);
    const all = await readTable(10_000);
    expect(all).toMatchObject({ truncated: false, leftOut: 0 });
    const made = beneath(all.mounts);
    expect(made).toHaveLength(1011);
    expect(made.every(({ totalBytes }) => (totalBytes ?? 0) > 0)).toBe(true);
    const some = await readTable(10_000, 20_000);
    expect(some.truncated).toBe(true);
    expect(some.leftOut).toBe(all.mounts.length + all.hidden.length - some.mounts.length);
    expect(some.mounts.map(({ mountPoint }) => mountPoint)).toContain("/");
  }, 60_000);
});

describe.runIf(isRoot)("processes that the kernel hides", () => {
  async function readProcesses() {
    await expect.poll(() => bench.link.runners()).toHaveLength(1);
    const source = {
      ...{ kind: "directory" as const, path: "/proc", names: "numeric" as const, child: "stat" },
      ...{ maxEntries: 20_000, timeoutMs: 3000, maxBytes: 8_388_608 },
    };
    const { reads } = await bench.link.read([{ name: "ps", source, values: {} }], 4000, [], true);
    const outcome = reads["ps"] as ReadOutcome;
    if (!outcome.ok) throw new Error(outcome.failure.message);
    const data = outcome.samples[0]?.data as { entries: Named[]; othersHidden?: boolean };
    return { names: data.entries.map(({ name }) => name), othersHidden: data.othersHidden };
  }
  type Named = { name: string };
  const mount = (options: string) => `mount -t proc -o ${options} proc /proc`;

  test.each(["hidepid=2", "hidepid=invisible", "hidepid=4", "hidepid=4,gid=65534"])(
    "%s: the others are mentioned",
    async (options) => {
      bench.startRunnerAmongMounts(mount(options));
      const { names, othersHidden } = await readProcesses();
      expect(names).not.toContain("1");
      expect(othersHidden).toBe(true);
    },
  );

  test.each(["hidepid=0", "hidepid=1", "hidepid=2,gid=65534"])(
    "%s: every process is listed, and none is called hidden",
    async (options) => {
      bench.startRunnerAmongMounts(mount(options));
      const { names, othersHidden } = await readProcesses();
      expect(names).toContain("1");
      expect(othersHidden).toBe(undefined);
    },
  );
});

describe.runIf(isRoot)("a FUSE file server", () => {
  /**
   * Mounts a file server of root, for a runner; it answers `count` questions for its size.
   *
   * @param blocks of 4096 bytes
   */
  async function startAmong(count: number, options: string, more = "", blocks = 1000n) {
    const device = openSync("/dev/fuse", "r+");
    const server = spawn(
      process.execPath,
      [join(import.meta.dirname, "fuse-server.ts"), String(count), String(blocks)],
      {
        stdio: ["ignore", "pipe", "inherit", device],
      },
    );
    onTestFinished(() => void server.kill("SIGKILL"));
    const all = `fd=3,rootmode=40000,user_id=0,group_id=0${options}`;
    const runner = bench.startRunnerAmongMounts(
      `mkdir ${place}/f; mount -i -t fuse -o ${all} /dev/fuse ${place}/f\n${more}`,
      device,
    );
    closeSync(device);
    await once(server.stdout as Readable, "data");
    return { server, runner };
  }

  const asking = () => processesWith(`${place}/f`, "stat");

  test("its size is counted in its own block size", async () => {
    await startAmong(Infinity, ",allow_other");
    expect(beneath(await readMounts())).toMatchObject([
      { at: "/f", totalBytes: 1000 * 4096, freeBytes: 400 * 4096, totalInodes: 100 },
    ]);
  });

  test.each([2n ** 51n, 2n ** 52n - 1n])(
    "a size near 2^63 or 2^64 bytes is told as it is: %s blocks",
    async (blocks) => {
      await startAmong(Infinity, ",allow_other", "", blocks);
      expect(beneath(await readMounts())).toMatchObject([
        {
          ...{ at: "/f", totalBytes: Number(blocks * 4096n) },
          ...{ freeBytes: Number((blocks - 600n) * 4096n) },
        },
      ]);
    },
  );

  test("it is asked at another mount where the path to one is closed", async () => {
    await startAmong(
      Infinity,
      ",allow_other",
      `mkdir -p ${place}/a/x; mount --bind ${place}/f ${place}/a/x; chmod 700 ${place}/a`,
    );
    expect(beneath(await readMounts())).toMatchObject([
      { at: "/a/x", totalBytes: 1000 * 4096 },
      { at: "/f", totalBytes: 1000 * 4096 },
    ]);
  });

  test("one that its owner shows to nobody else is no empty filesystem", async () => {
    await startAmong(Infinity, "");
    const [mount] = beneath(await readMounts());
    expect(mount).toMatchObject({
      failure: { code: "PERMISSION_NEEDED", message: expect.stringContaining("allow_other") },
    });
    expect(mount).not.toHaveProperty("totalBytes");
  });

  test("one that never answers is asked by one process at a time, and that is said", async () => {
    const { server } = await startAmong(0, ",allow_other");
    const failures: unknown[] = [];
    for (let time = 0; time < 6; time++) {
      const mounts = await readMounts(600);
      failures.push(beneath(mounts)[0]?.failure);
      expect(mounts.find(({ mountPoint }) => mountPoint === "/")?.totalBytes).toBeGreaterThan(0);
    }
    expect(asking()).toHaveLength(1);
    expect(failures).toHaveLength(6);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        code: "READ_TIMEOUT",
        message: expect.stringMatching(/its size could not be asked: .* since \d{4}-/),
      });
    }
    // With its answer, or here its end, it is asked anew.
    server.kill("SIGKILL");
    await expect.poll(asking).toEqual([]);
    expect(beneath(await readMounts())[0]).toMatchObject({ failure: { code: "READ_FAILED" } });
  });

  test("layers over one that never answers do not hold up the others", async () => {
    const layers = `lowerdir=${place}/f:${place}/l`;
    await startAmong(
      1,
      ",allow_other",
      `mkdir ${place}/l ${place}/o; mount -t overlay -o ${layers} overlay ${place}/o`,
    );
    const mounts = await readMounts(1000);
    expect(beneath(mounts)).toMatchObject([
      { at: "/f", failure: { code: "READ_TIMEOUT" } },
      { at: "/o", failure: { code: "READ_TIMEOUT" } },
    ]);
    expect(mounts.find(({ mountPoint }) => mountPoint === "/")?.totalBytes).toBeGreaterThan(0);
  });

  test("one that has not answered an earlier runner is asked by no second process", async () => {
    const { server, runner } = await startAmong(0, ",allow_other");
    await readMounts(600);
    const before = asking();
    expect(before).toHaveLength(1);
    bench.startRunnerBeside(runner);
    await expect.poll(() => bench.link.runners()).toHaveLength(2);
    runner.stdin?.end();
    const [mount] = beneath(await readMounts(600));
    expect(mount?.failure).toMatchObject({
      code: "READ_TIMEOUT",
      message: expect.stringContaining("earlier runner"),
    });
    expect(asking()).toEqual(before);
    server.kill("SIGKILL");
    await expect.poll(asking).toEqual([]);
    await expect
      .poll(async () => beneath(await readMounts())[0]?.failure, { timeout: 10_000 })
      .toMatchObject({ code: "READ_FAILED" });
  });
});

/** The processes of this command with `mark` among their arguments. */
function processesWith(mark: string, command: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return argv[0] === command && argv.includes(mark);
    } catch {
      return false;
    }
  });
}
