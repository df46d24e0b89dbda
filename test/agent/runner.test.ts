import { type ChildProcess, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { FilledRead } from "@sonde/schemas/reads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunAsk, RunDone } from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import { type TestBench, createTestBench } from "./start-runner.ts";

// The bundled runner and pack host as real processes of another user, with a real link.
let bench: TestBench;
let runner: ChildProcess;
let ask: (probe: string, params?: object) => RunAsk;

beforeAll(async () => {
  bench = await createTestBench();
  runner = bench.startRunner();
  ask = bench.buildPack({
    echo: "return { echo: input.params };",
    loop: "for (;;);",
    regex: 'return { hit: /^(a+)+$/.test("a".repeat(40) + "!") };',
    abort: "return { n: new Array(1e8).fill(1.5).length };",
    exhaust: "const all = []; for (;;) all.push(new Array(1e5).fill(all.length));",
    bigint: "let n = 3n; for (;;) n *= n;",
    throw: 'throw new Error("on purpose");',
    wide: 'return { text: "\u20ac".repeat(1.5e6) };',
    leave: `globalThis.left = 1; Array.prototype.left = 1; Object.prototype.left = 1; module++;
      return { module };`,
    look: `return { module, global: typeof globalThis.left, array: typeof [].left,
      object: typeof ({}).left };`,
  });
});
afterAll(() => bench.close());

const limits = { timeoutMs: 1000, maxBytes: 100_000 };
const codeOf = (done: RunDone): string => (done.ok ? "ok" : done.failure.code);
const file = (path: string): FilledRead => ({
  name: "it",
  source: { kind: "file", path, ...limits },
  values: {},
});

describe("the runner", () => {
  test("reports itself as a process without rights", async () => {
    await bench.link.read([file("/proc/uptime")], 1000, [], true);
    const [hello] = bench.link.runners();
    expect(hello).toMatchObject({ uid: bench.workshop.uid });
    const status = readFileSync(`/proc/${hello?.pid}/status`, "utf8");
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  });

  // Attack 49.
  test("keeps its listening socket from its pack hosts", async () => {
    await bench.link.run(ask("echo"));
    const [hello] = bench.link.runners();
    const listening = readlinkSync(`/proc/${hello?.pid}/fd/3`);
    expect(listening).toMatch(/^socket:/);
    const hosts = packHosts();
    expect(hosts).not.toEqual([]);
    for (const pid of hosts) {
      const files = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
      expect(files).not.toContain(listening);
    }
  });

  test("reads concurrently and reports what it did", async () => {
    const { reads, traces } = await bench.link.read([file("/proc/uptime")], 1000, [], true);
    expect(reads["it"]).toMatchObject({ ok: true });
    expect(traces).toMatchObject([{ name: "it", what: "file /proc/uptime" }]);
  });

  test("never reads the agent's own files", async () => {
    mkdirSync(bench.denied, { recursive: true });
    writeFileSync(join(bench.denied, "key"), "private", { mode: 0o644 });
    const { reads } = await bench.link.read([file(join(bench.denied, "key"))], 1000, [], true);
    expect(reads["it"]).toMatchObject({ ok: false, failure: { code: "READ_NOT_GRANTED" } });
  });

  test("a call waits for a runner with its group, then fails with the group's name", async () => {
    const read = bench.link.read([file("/proc/uptime")], 1000, ["no-such-group"], true);
    await expect(read).rejects.toMatchObject({ code: "RUNNER_UNAVAILABLE" });
  });
});

describe("a guest", () => {
  test("answers", async () => {
    const done = await bench.link.run(ask("echo", { a: "é" }));
    expect(done).toMatchObject({ ok: true, result: Buffer.from('{"echo":{"a":"é"}}') });
  });

  test.each([
    ["loop", ["PACK_TIMEOUT"]],
    ["regex", ["PACK_TIMEOUT"]],
    ["abort", ["PACK_CRASHED", "PACK_TIMEOUT"]],
    ["exhaust", ["PACK_CRASHED", "PACK_TIMEOUT"]],
    ["bigint", ["PACK_CRASHED", "PACK_TIMEOUT", "PACK_FAILED"]],
    ["throw", ["PACK_FAILED"]],
    ["wide", ["PACK_FAILED"]],
  ])("%s costs one call; those waiting behind it succeed", async (probe, codes) => {
    const [bad, ...behind] = await Promise.all([
      bench.link.run(ask(probe)),
      bench.link.run(ask("echo")),
      bench.link.run(ask("echo")),
    ]);
    expect(codes).toContain(codeOf(bad));
    expect(behind.map(codeOf)).toEqual(["ok", "ok"]);
    expect(runner.exitCode).toBe(null);
  });

  test("the memory of a pack host is limited from outside", async () => {
    let peak = 0;
    const meter = setInterval(() => {
      for (const pid of packHosts()) peak = Math.max(peak, residentMb(pid));
    }, 20);
    const done = await bench.link.run({ ...ask("abort"), timeoutMs: 15_000 });
    clearInterval(meter);
    expect(codeOf(done)).toBe("PACK_CRASHED");
    expect(peak).toBeLessThan(500);
  });

  test("a call whose pack host dies is tried once more, and fails alone", async () => {
    await bench.link.run(ask("echo"));
    const looping = bench.link.run({ ...ask("loop"), timeoutMs: 10_000 });
    const behind = bench.link.run(ask("echo"));
    for (let host = 0; host < 2; host++) {
      const before = workedTicks();
      await expect.poll(workedTicks).toBeGreaterThan(before + 10);
      const pids = packHosts();
      for (const pid of pids) process.kill(Number(pid), "SIGKILL");
      await expect.poll(() => packHosts().some((pid) => pids.includes(pid))).toBe(false);
    }
    expect(codeOf(await looping)).toBe("PACK_CRASHED");
    expect(codeOf(await behind)).toBe("ok");
  });

  test("a call whose pack host dies gets its answer from the next one", async () => {
    const pack = bench.buildPack({ slow: work(0.7) });
    const running = bench.link.run({ ...pack("slow"), timeoutMs: 10_000 });
    await expect.poll(() => packHosts().length).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const pid of packHosts()) process.kill(Number(pid), "SIGKILL");
    expect(codeOf(await running)).toBe("ok");
  });

  test("a call sees nothing of an earlier call", async () => {
    const fresh = Buffer.from(
      '{"module":0,"global":"undefined","array":"undefined","object":"undefined"}',
    );
    expect(await bench.link.run(ask("leave"))).not.toMatchObject({ result: fresh });
    expect(await bench.link.run(ask("look"))).toMatchObject({ ok: true, result: fresh });
  });

  test("a pack that loops does not delay another pack", async () => {
    const other = bench.buildPack({ echo: "return { other: true };" });
    await bench.link.run(other("echo"));
    let ended = false;
    const looping = bench.link
      .run({ ...ask("loop"), timeoutMs: 4000 })
      .finally(() => (ended = true));
    expect(codeOf(await bench.link.run(other("echo")))).toBe("ok");
    expect(ended).toBe(false);
    expect(codeOf(await looping)).toBe("PACK_TIMEOUT");
  });

  test("unverified code never runs", async () => {
    const changed = bench.buildPack({ echo: "return { ok: true };" })("echo");
    appendFileSync(changed.codePath, "\n");
    expect(codeOf(await bench.link.run(changed))).toBe("DIGEST_MISMATCH");
    const missing = { ...changed, codePath: `${changed.codePath}.none` };
    expect(codeOf(await bench.link.run(missing))).toBe("PACK_NOT_ACTIVE");
    // A warm host serves only the code that it was started with.
    const warm = ask("echo");
    await bench.link.run(warm);
    const other = { ...warm, codeSha256: changed.codeSha256 };
    expect(codeOf(await bench.link.run(other))).toBe("DIGEST_MISMATCH");
  });

  test("a dropped pack's host is killed and its call refused", async () => {
    const pack = bench.buildPack({ loop: "for (;;);" })("loop");
    const before = packHosts();
    const looping = bench.link.run({ ...pack, timeoutMs: 10_000 });
    await expect.poll(() => packHosts().length).toBeGreaterThan(before.length);
    bench.link.drop(pack.packDigest);
    expect(codeOf(await looping)).toBe("PACK_NOT_ACTIVE");
    await expect.poll(() => packHosts()).toEqual(before);
  });

  test("the queue of calls is bounded", async () => {
    const pack = bench.buildPack({
      hold: work(0.7),
      quick: "return {};",
    });
    // While the first call runs, 64 may wait.
    const calls = ["hold", ...Array.from({ length: 79 }, () => "quick")].map((probe) =>
      bench.link.run({ ...pack(probe), timeoutMs: 10_000 }),
    );
    const codes = (await Promise.all(calls)).map(codeOf);
    expect(codes.filter((code) => code === "AGENT_BUSY")).toHaveLength(16);
    expect(codes.filter((code) => code === "PACK_TIMEOUT")).toEqual([]);
  });
});

describe("a cancelled call", () => {
  // Attack 22.
  test("ends the command that it runs, and the runner goes on", async () => {
    const seconds = "31.7";
    const isRunning = () =>
      readdirSync("/proc")
        .filter((name) => /^[0-9]+$/.test(name))
        .some((pid) => commandLineOf(pid) === `sleep\0${seconds}\0`);
    const ending = new AbortController();
    const source = { kind: "exec" as const, command: "sleep", argv: [seconds] };
    const wanted = { name: "it", source: { ...source, ...limits, timeoutMs: 20_000 }, values: {} };
    const reading = bench.link.read([wanted], 20_000, [], false, ending.signal);
    await expect.poll(isRunning).toBe(true);
    ending.abort();
    expect((await reading).reads["it"]).toMatchObject({
      ok: false,
      failure: { code: "CALL_CANCELLED" },
    });
    await expect.poll(isRunning).toBe(false);
    const { reads } = await bench.link.read([file("/proc/uptime")], 1000, [], true);
    expect(reads["it"]).toMatchObject({ ok: true });
  });
});

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

describe("losing a runner", () => {
  test("a call whose runner dies is retried on the replacement", async () => {
    const pack = bench.buildPack({ slow: work(0.4) });
    const slow = { ...pack("slow"), timeoutMs: 10_000 };
    await bench.link.run(slow);
    const [hello] = bench.link.runners();
    const hosts = packHosts();
    const running = bench.link.run(slow);
    const samples = { count: 2, intervalMs: 400 };
    const reading = bench.link.read(
      [
        {
          name: "it",
          source: { kind: "file", path: "/proc/uptime", samples, ...limits },
          values: {},
        },
      ],
      3000,
      [],
      true,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(hello?.pid ?? 0, "SIGKILL");
    runner = bench.startRunner();
    expect(codeOf(await running)).toBe("ok");
    expect((await reading).reads["it"]).toMatchObject({ ok: true });
    await expect.poll(() => packHosts().some((pid) => hosts.includes(pid))).toBe(false);
  });

  test("ends with its supervisor, and takes its pack hosts along", async () => {
    await bench.link.run(ask("echo"));
    expect(packHosts()).not.toEqual([]);
    runner.stdin?.end();
    await expect.poll(() => runner.exitCode ?? runner.signalCode).not.toBe(null);
    expect(bench.log.join()).toContain("standard input has ended");
    await expect.poll(() => packHosts()).toEqual([]);
    runner = bench.startRunner();
    expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  });

  test("without a supervisor it needs no standard input", async () => {
    runner.stdin?.end();
    await expect.poll(() => runner.exitCode ?? runner.signalCode).not.toBe(null);
    runner = bench.startRunner({ supervised: false });
    runner.stdin?.end();
    expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
    expect(runner.exitCode ?? runner.signalCode).toBe(null);
    const stopped = runner;
    stopped.kill("SIGKILL");
    await expect.poll(() => stopped.signalCode).toBe("SIGKILL");
    runner = bench.startRunner();
    expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  });
});

describe("starting", () => {
  test("without a listening socket it does not start and says what is missing", () => {
    const config = join(bench.workshop.folder, "alone.json");
    const packHostPath = join(bench.workshop.folder, "pack-host.mjs");
    writeFileSync(config, JSON.stringify({ packHostPath, denyPaths: [] }));
    chmodSync(config, 0o644);
    const path = join(bench.workshop.folder, "runner.mjs");
    const [command = "", ...argv] = bench.workshop.unprivileged([path, config]);
    const { status, stderr } = spawnSync(command, argv, { encoding: "utf8", stdio: "pipe" });
    expect(`${status} ${stderr}`).toMatch(/^1 .*CONFIG_INVALID.*descriptor 3/);
  });

  test("with any right, or with an unknown configuration, it does not start", () => {
    const config = join(bench.workshop.folder, "bad.json");
    writeFileSync(config, JSON.stringify({ packHostPath: "/y", denyPaths: [], more: 1 }));
    chmodSync(config, 0o644);
    const path = join(bench.workshop.folder, "runner.mjs");
    const [command = "", ...argv] = bench.workshop.unprivileged([path, config]);
    const dropped = spawnSync(command, argv, { encoding: "utf8", input: "" });
    expect(`${dropped.status} ${dropped.stderr}`).toMatch(/^1 .*CONFIG_INVALID.*unknown key more/);
    const bare = spawnSync(process.execPath, [path, config], { encoding: "utf8", input: "" });
    expect(`${bare.status} ${bare.stderr}`).toMatch(/^1 .*PRIVILEGE_REFUSED/);
  });
});

// The last test, since it closes the link.
test("where its socket starts it anew, it ends when the agent leaves", async () => {
  runner.kill("SIGKILL");
  await expect.poll(() => runner.signalCode).toBe("SIGKILL");
  const own = bench.startRunner({ endWithAgent: true, supervised: false });
  expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  expect(own.exitCode ?? own.signalCode).toBe(null);
  bench.link.close();
  await expect.poll(() => own.signalCode).toBe("SIGKILL");
  await expect.poll(() => packHosts()).toEqual([]);
});

/** What a descriptor refers to; null when it was closed meanwhile. */
function targetOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

/** A guest that works for about so many seconds. A guest has no clock. */
function work(seconds: number): string {
  return `let sum = 0; for (let i = 0; i < ${seconds * 4e8}; i++) sum += i % 7; return { sum };`;
}

function packHosts(): string[] {
  const { stdout } = spawnSync("pgrep", ["-f", join(bench.workshop.folder, "pack-host.mjs")], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter(Boolean);
}

/** CPU time that the pack hosts have used so far, in clock ticks of 10 ms. */
function workedTicks(): number {
  const ticks = packHosts().map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ");
    return Number(fields?.[11]) + Number(fields?.[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0);
}

function residentMb(pid: string): number {
  try {
    return (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096) / 1e6;
  } catch {
    return 0;
  }
}
