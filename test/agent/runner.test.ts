import { type ChildProcess, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

  test("a pack host that dies fails only its current call", async () => {
    await bench.link.run(ask("echo"));
    const before = workedTicks();
    const looping = bench.link.run({ ...ask("loop"), timeoutMs: 10_000 });
    const behind = bench.link.run(ask("echo"));
    await expect.poll(workedTicks).toBeGreaterThan(before + 10);
    for (const pid of packHosts()) process.kill(Number(pid), "SIGKILL");
    expect(codeOf(await looping)).toBe("PACK_CRASHED");
    expect(codeOf(await behind)).toBe("ok");
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
      hold: "const end = Date.now() + 700; while (Date.now() < end);",
      quick: "return {};",
    });
    // While the first call runs, 64 may wait.
    const calls = ["hold", ...Array.from({ length: 79 }, () => "quick")].map((probe) =>
      bench.link.run(pack(probe)),
    );
    const codes = (await Promise.all(calls)).map(codeOf);
    expect(codes.filter((code) => code === "AGENT_BUSY")).toHaveLength(16);
    expect(codes.filter((code) => code === "PACK_TIMEOUT")).toEqual([]);
  });
});

describe("losing a runner", () => {
  test("a call whose runner dies is retried on the replacement", async () => {
    const pack = bench.buildPack({
      slow: "const end = Date.now() + 400; while (Date.now() < end);",
    });
    await bench.link.run(pack("slow"));
    const [hello] = bench.link.runners();
    const running = bench.link.run(pack("slow"));
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
    expect((await running).ok || codeOf(await running)).not.toBe("RUNNER_UNAVAILABLE");
    expect((await reading).reads["it"]).toMatchObject({ ok: true });
    await expect.poll(() => packHosts().length).toBeLessThanOrEqual(1);
  });

  test("ends with its supervisor, and takes its pack hosts along", async () => {
    await bench.link.run(ask("echo"));
    expect(packHosts()).not.toEqual([]);
    runner.stdin?.end();
    await expect.poll(() => runner.exitCode ?? runner.signalCode).not.toBe(null);
    await expect.poll(() => packHosts()).toEqual([]);
    runner = bench.startRunner();
    expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  });
});

describe("starting", () => {
  test("with any right, or with an unknown configuration, it does not start", () => {
    const config = join(bench.workshop.folder, "bad.json");
    writeFileSync(
      config,
      JSON.stringify({ socketPath: "/x", packHostPath: "/y", denyPaths: [], more: 1 }),
    );
    chmodSync(config, 0o644);
    const path = join(bench.workshop.folder, "runner.mjs");
    const [command = "", ...argv] = bench.workshop.unprivileged([path, config]);
    const dropped = spawnSync(command, argv, { encoding: "utf8", input: "" });
    expect(`${dropped.status} ${dropped.stderr}`).toMatch(/^1 .*CONFIG_INVALID/);
    const bare = spawnSync(process.execPath, [path, config], { encoding: "utf8", input: "" });
    expect(`${bare.status} ${bare.stderr}`).toMatch(/^1 .*PRIVILEGE_REFUSED/);
  });
});

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
