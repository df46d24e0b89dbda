import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const PROGRAM = [
  "--conditions=sonde:source",
  join(import.meta.dirname, "testing/sample-service.ts"),
];
// Makes a service that does not end fail its test soon.
vi.setConfig({ testTimeout: 15_000 });
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;
const account: SpawnOptions = asRoot ? { uid: NOBODY, gid: NOBODY } : {};

let folder: string;
let child: ChildProcess;
let out: string;
let err: string;
let ended: Promise<number | null>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-run-"));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  child.kill("SIGKILL");
  await ended;
  rmSync(folder, { recursive: true });
});

function run(args: string[], options: SpawnOptions = account): void {
  start("setpriv", ["--no-new-privs", "--", process.execPath, ...PROGRAM, ...args], options);
}
function start(command: string, args: string[], options: SpawnOptions): void {
  child = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  [out, err] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (err += chunk.toString()));
  ended = new Promise((done) => child.once("close", done));
}
function configure(config: object | string): string {
  const path = join(folder, "config.json");
  writeFileSync(path, typeof config === "string" ? config : JSON.stringify(config));
  return path;
}
const lines = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
async function runUntilReady(config: object): Promise<void> {
  run([configure(config)]);
  await expect.poll(() => out).toContain("\n");
  expect(lines(out)).toEqual([{ ready: true, pid: child.pid, port: 4711 }]);
}

test.each(["SIGTERM", "SIGINT"] as const)("%s stops the service cleanly", async (signal) => {
  await runUntilReady({ supervised: true });
  child.kill(signal);
  expect(await ended).toBe(0);
  expect(lines(err)).toMatchObject([{ level: "info", message: "stopping", reason: signal }]);
});

test("a supervised service ends with its supervisor", async () => {
  await runUntilReady({ supervised: true });
  child.stdin?.end();
  expect(await ended).toBe(0);
  await runUntilReady({ supervised: false });
  child.stdin?.end();
  await new Promise((done) => setTimeout(done, 300));
  expect(child.exitCode).toBeNull();
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});

test("a service that hangs while stopping ends at the second signal of the same kind only", async () => {
  await runUntilReady({ supervised: true, fails: "never stops" });
  child.kill("SIGINT");
  await expect.poll(() => err).toContain("stopping");
  // As a supervisor does when the terminal sends SIGINT to it as well.
  child.kill("SIGTERM");
  child.stdin?.end();
  await new Promise((done) => setTimeout(done, 300));
  expect(child.exitCode).toBeNull();
  child.kill("SIGINT");
  expect(await ended).toBe(1);
  // The service ended by itself, not at its stop deadline.
  expect(err).not.toContain("expected an end");
});

test("a service that hangs while stopping ends at its deadline, without a second signal", async () => {
  await runUntilReady({ supervised: true, fails: "never stops" });
  child.kill("SIGTERM");
  expect(await ended).toBe(1);
  expect(lines(err).at(-1)).toMatchObject({ level: "error" });
  expect(err).toContain("expected an end within 2000 ms");
});

test("a service that fails to stop says so", async () => {
  await runUntilReady({ supervised: true, fails: "stop" });
  child.kill("SIGTERM");
  expect(await ended).toBe(1);
  expect(err).toContain("cannot stop");
});

test.each([
  ["start", "PORT_IN_USE"],
  ["database", "DATABASE_UNAVAILABLE"],
])(
  "a service that cannot start (%s) says why, to its supervisor and in its log",
  async (fails, code) => {
    run([configure({ supervised: true, fails })]);
    expect(await ended).toBe(1);
    expect(lines(out)).toMatchObject([{ error: { code } }]);
    expect(lines(err)).toMatchObject([{ level: "error" }]);
  },
);

test("a service that lost its database ends", async () => {
  await runUntilReady({ supervised: true, fails: "lost" });
  expect(await ended).toBe(1);
  expect(lines(out).at(-1)).toMatchObject({ error: { code: "DATABASE_UNAVAILABLE" } });
  expect(lines(err)).toMatchObject([{ level: "error", message: "the server ended" }]);
});

test.each<[string, () => string[]]>([
  ["nothing", () => []],
  ["more than a file", () => [configure({ supervised: true }), "--more"]],
  ["a file that is not there", () => [join(folder, "none.json")]],
  ["no JSON", () => [configure("{")]],
  ["an unknown member", () => [configure({ supervised: true, suprevised: true })]],
])("a configuration that is %s is refused", async (_what, args) => {
  run(args());
  expect(await ended).toBe(1);
  expect(lines(out)).toMatchObject([{ error: { code: "CONFIG_INVALID" } }]);
});

test("SIGHUP takes over what it can, names what waits for a restart, and ends nothing", async () => {
  await runUntilReady({ supervised: true, greeting: "a" });
  configure({ supervised: false, greeting: "b" });
  child.kill("SIGHUP");
  await expect.poll(() => err).toContain("\n");
  expect(lines(err)).toMatchObject([
    {
      level: "info",
      message: "configuration reloaded; taken over: greeting; restart to apply: supervised",
    },
  ]);
  expect(lines(out).at(-1)).toEqual({ greeting: "b" });
  // Its supervisor counts as at the start.
  child.stdin?.end();
  expect(await ended).toBe(0);
});

test.each([
  ["is no JSON", "{", "CONFIG_INVALID"],
  ["has an unknown member", { supervised: true, greeting: "b", more: 1 }, "CONFIG_INVALID"],
  ["is unsound", { supervised: true, greeting: "b", fails: "check" }, "INSECURE_LISTENER"],
])("a file that %s changes nothing at SIGHUP, and the log says why", async (_what, file, code) => {
  await runUntilReady({ supervised: true, greeting: "a" });
  configure(file);
  child.kill("SIGHUP");
  await expect.poll(() => err).toContain("\n");
  const message = expect.stringMatching(
    `^configuration not reloaded, nothing was changed: ${code}: `,
  );
  expect(lines(err)).toMatchObject([{ level: "error", message }]);
  expect(lines(out)).toHaveLength(1);
  expect(child.exitCode).toBeNull();
});

test("a SIGHUP during the start counts after it", async () => {
  run([configure({ supervised: true, fails: "slow" })]);
  await expect.poll(() => err).toContain("starting");
  child.kill("SIGHUP");
  await expect.poll(() => err).toContain("configuration reloaded; nothing to take over");
  expect(lines(out)[0]).toMatchObject({ ready: true });
});

test("root is refused", async () => {
  const config = configure({ supervised: true });
  // Without root a user namespace gives the process uid 0.
  if (asRoot) run([config], {});
  else start("unshare", ["-r", process.execPath, ...PROGRAM, config], {});
  expect(await ended).toBe(1);
  expect(lines(out)).toMatchObject([{ error: { code: "PRIVILEGE_REFUSED" } }]);
});

test("a process that could gain rights is refused", async () => {
  start(process.execPath, [...PROGRAM, configure({ supervised: true })], account);
  expect(await ended).toBe(1);
  expect(lines(out)).toMatchObject([{ error: { code: "PRIVILEGE_REFUSED" } }]);
});
