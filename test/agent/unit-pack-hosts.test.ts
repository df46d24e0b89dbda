import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { join } from "node:path";
import { residentBytes } from "@sonde/privileges";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RunDone } from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import { type TestBench, createTestBench } from "./start-runner.ts";

// The bundled runner where pack hosts are units. In place of systemd stands a server that does what
// it does: each connection is the standard input and output of a new pack host, and stays open until
// that has ended. test/hosts/pack-hosts.test.ts has a real one.
let bench: TestBench;
let manager: Server;
/** Every pack host that was started. */
let hosts: ChildProcess[];
let socketPath: string;
let program: string;

beforeEach(async () => {
  bench = await createTestBench();
  hosts = [];
  socketPath = join(bench.workshop.folder, "pack-host.sock");
  program = bench.packHostPath;
  manager = createServer({ pauseOnConnect: true }, (connection) => {
    const [command = "", ...args] = bench.workshop.unprivileged([program]);
    const host = spawn(command, args, { stdio: [connection, connection, "ignore"] });
    hosts.push(host);
    host.on("exit", () => connection.destroy());
    connection.on("error", () => undefined);
  });
});
afterEach(async () => {
  for (const host of hosts) host.kill("SIGKILL");
  manager.close();
  await bench.close();
});

async function listen(): Promise<void> {
  manager.listen(socketPath);
  await once(manager, "listening");
  chmodSync(socketPath, 0o666);
}

/** @param escaped whether pack hosts are as if pack code had taken over their process */
function startRunner({ escaped = false } = {}): ChildProcess {
  if (escaped) {
    program = join(bench.workshop.folder, "escaped/escaped.mjs");
    mkdirSync(join(bench.workshop.folder, "escaped"));
    copyFileSync(join(import.meta.dirname, "escaped.mjs"), program);
  }
  return bench.startRunner({}, { SONDE_PACK_HOST_SOCKET: socketPath });
}

const codeOf = (done: RunDone): string => (done.ok ? "ok" : done.failure.code);
const areEnded = () =>
  hosts.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
const isRunning = ({ exitCode, signalCode }: ChildProcess) =>
  exitCode === null && signalCode === null;

test("a pack host is a connection, and ends with it", async () => {
  await listen();
  const runner = startRunner();
  const ask = bench.buildPack({ echo: "return input.params;", loop: "for (;;);" });
  expect(await bench.link.run(ask("echo", { a: 1 }))).toMatchObject({ ok: true });
  expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  expect(hosts).toHaveLength(1);
  expect(bench.link.runners()).toMatchObject([{ confinement: "unit" }]);
  expect(codeOf(await bench.link.run(ask("loop")))).toBe("PACK_TIMEOUT");
  expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  bench.link.drop(ask("echo").packDigest);
  await expect.poll(areEnded).toBe(true);
  expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  expect(isRunning(runner)).toBe(true);
  runner.kill("SIGKILL");
  await expect.poll(areEnded).toBe(true);
});

/** Processor time of a process in hundredths of a second (proc_pid_stat(5)). */
function ticksOf({ pid }: ChildProcess): number {
  const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  return Number(fields.split(" ")[11]);
}

test("the runner notices at once that a pack host has ended", async () => {
  await listen();
  startRunner();
  const ask = bench.buildPack({ loop: "for (;;);" });
  const looping = bench.link.run({ ...ask("loop"), timeoutMs: 12_000 });
  for (const round of [1, 2]) {
    await expect.poll(() => hosts.length).toBe(round);
    const host = hosts[round - 1] as ChildProcess;
    // More than a start takes.
    await expect.poll(() => ticksOf(host)).toBeGreaterThan(60);
    host.kill("SIGKILL");
  }
  expect(codeOf(await looping)).toBe("PACK_CRASHED");
});

test("where pack hosts cannot be had, no pack runs, and nothing else confines it", async () => {
  const runner = startRunner();
  const ask = bench.buildPack({ echo: "return input.params;" });
  const refused = await bench.link.run(ask("echo"));
  expect(refused).toMatchObject({
    failure: { code: "STARTING_FAILED", message: expect.stringContaining(socketPath) as string },
  });
  await listen();
  expect(codeOf(await bench.link.run(ask("echo")))).toBe("ok");
  expect(isRunning(runner)).toBe(true);
  manager.close();
  rmSync(socketPath, { force: true });
});

test("the runner ends a pack host that grows", async () => {
  await listen();
  startRunner();
  const ask = bench.buildPack({ grow: "return { n: new Array(1e8).fill(1.5).length };" });
  let peak = 0;
  const meter = setInterval(() => {
    for (const { pid } of hosts) peak = Math.max(peak, residentBytes(pid));
  }, 20);
  const done = await bench.link.run({ ...ask("grow"), timeoutMs: 15_000 });
  clearInterval(meter);
  expect(done).toMatchObject({
    failure: { code: "PACK_CRASHED", message: expect.stringContaining("memory") as string },
  });
  expect(peak).toBeLessThan(500 * 1024 * 1024);
});

test("a pack host that does not say its process id does not run", async () => {
  await listen();
  startRunner();
  program = join(bench.workshop.folder, "nameless.js");
  const ready = `Buffer.concat([Buffer.from([0, 0, 0, 18, 0, 0, 0, 14]), Buffer.from('{"op":"ready"}')])`;
  writeFileSync(
    program,
    `process.stdout.write(${ready}); process.stdin.on("end", () => process.exit()).resume();`,
  );
  const ask = bench.buildPack({ any: "" });
  expect(codeOf(await bench.link.run({ ...ask("any"), timeoutMs: 5000 }))).toBe("PACK_CRASHED");
});

test("a pack host that outlives its connection ends the runner", async () => {
  await listen();
  const runner = startRunner({ escaped: true });
  const ended = once(runner, "exit");
  const ask = bench.buildPack({ any: "" });
  const lost = bench.link.run(ask("any", { lie: "deaf" }));
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(hosts.some(isRunning)).toBe(true);
  expect(bench.log.join("\n")).toContain('"event":"pack-host-stuck"');
  bench.link.close();
  await expect(lost).rejects.toMatchObject({ code: "RUNNER_UNAVAILABLE" });
});
