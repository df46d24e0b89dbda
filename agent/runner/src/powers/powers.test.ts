import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Source } from "@sonde/schemas/manifest";
import {
  type FilledRead,
  type RunnerOutcome,
  type RunnerSample,
  parseRunnerOutcomes,
} from "@sonde/schemas/reads";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { encodeStreamFrame } from "@sonde/schemas/wire";
import { callsFor } from "./file-calls.ts";
import { performReads } from "./powers.ts";
import { findTrustedCommand } from "./trusted-command.ts";

const limits = { timeoutMs: 2000, maxBytes: 65_536 };
let folder: string;
let denied: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "powers-"));
  denied = join(folder, "agent-state");
  mkdirSync(denied);
  writeFileSync(join(denied, "key"), "private");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(source: Source, values: FilledRead["values"] = {}, timeoutMs = 5000) {
  const overdue: string[] = [];
  const performed = await performReads([{ name: "it", source, values }], timeoutMs, {
    denyPaths: [denied],
    onOverdue: (_, what) => overdue.push(what),
  });
  const outcome = outcomesOf(performed)["it"] as RunnerOutcome;
  return { outcome, trace: performed.traces[0], overdue };
}

const outcomesOf = ({ outcomes }: { outcomes: Buffer }) =>
  parseRunnerOutcomes(JSON.parse(outcomes.toString("utf8")));

const readPath = (path: string, more: { maxBytes?: number; tailBytes?: number } = {}) =>
  read({ kind: "file", path, ...limits, ...more });

const codeOf = (outcome: RunnerOutcome): string => (outcome.ok ? "ok" : outcome.failure.code);

function sampleOf(outcome: RunnerOutcome) {
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.failure));
  return outcome.samples[0] as Omit<RunnerSample, "data"> & { data: Record<string, unknown> };
}

describe("one request", () => {
  test("has a cap on all its data, so that the reply fits a frame", async () => {
    const big = join(folder, "big");
    writeFileSync(big, "x".repeat(8 * 1024 * 1024));
    const zeros = join(folder, "zeros");
    writeFileSync(zeros, Buffer.alloc(8 * 1024 * 1024));
    const source = (path: string, count: number): Source => ({
      ...{ kind: "file", path, timeoutMs: 5000, maxBytes: 8 * 1024 * 1024 },
      samples: { count, intervalMs: 10 },
    });
    const ask = async (sources: Source[]) => {
      const reads = sources.map((of, index) => ({ name: `r${index}`, source: of, values: {} }));
      const done = await performReads(reads, 20_000, { denyPaths: [], onOverdue: () => undefined });
      expect(() => encodeStreamFrame({}, done.outcomes)).not.toThrow();
      return Object.values(outcomesOf(done)).map(codeOf);
    };
    expect(await ask([source(big, 1), source(big, 1)])).toEqual(["ok", "ok"]);
    expect(await ask([source(big, 10)])).toEqual(["READ_FAILED"]);
    const codes = await ask(Array.from({ length: 6 }, () => source(big, 1)));
    expect(codes.filter((code) => code === "ok")).toHaveLength(2);
    // JSON takes six bytes for each of the file's bytes.
    expect(await ask([source(zeros, 1)])).toEqual(["READ_FAILED"]);
  });
});

test("what was read is serialised once", async () => {
  const path = join(folder, "marked");
  writeFileSync(path, "a text that is found again");
  const serialise = vi.spyOn(JSON, "stringify");
  onTestFinished(() => serialise.mockRestore());
  const { outcome } = await readPath(path);
  const texts = serialise.mock.results.map(({ value }) => String(value));
  expect(texts.filter((text) => text.includes("found again"))).toHaveLength(1);
  expect(sampleOf(outcome).data).toEqual({ text: "a text that is found again" });
});

describe("file", () => {
  test("reads a file of /proc, which says it has size 0, to its end", async () => {
    const { outcome, trace } = await readPath("/proc/filesystems");
    const text = readFileSync("/proc/filesystems", "utf8");
    expect(sampleOf(outcome)).toMatchObject({ truncated: false, data: { text } });
    expect(trace).toMatchObject({ what: "file /proc/filesystems", bytes: text.length });
  });

  test("cuts at the cap and says so; a file of exactly that size is whole", async () => {
    const path = join(folder, "ten");
    writeFileSync(path, "0123456789");
    expect(sampleOf((await readPath(path, { maxBytes: 10 })).outcome)).toMatchObject({
      truncated: false,
      data: { text: "0123456789" },
    });
    expect(sampleOf((await readPath(path, { maxBytes: 9 })).outcome)).toMatchObject({
      truncated: true,
      data: { text: "012345678" },
    });
  });

  test("a tail begins with a whole line, or is empty and says so", async () => {
    const path = join(folder, "lines");
    writeFileSync(path, "first\nsecond\nthird\n");
    const texts = [];
    for (const tailBytes of [3, 6, 7, 12, 13, 14, 18, 19, 99]) {
      texts.push(sampleOf((await readPath(path, { tailBytes })).outcome).data["text"]);
    }
    const two = "second\nthird\n";
    const all = `first\n${two}`;
    const third = "third\n";
    expect(texts).toEqual(["", third, third, third, two, two, two, all, all]);
  });

  test("a cut text ends with a whole character", async () => {
    const path = join(folder, "characters");
    writeFileSync(path, "aé€z");
    const texts = [];
    for (let maxBytes = 1; maxBytes <= 7; maxBytes++) {
      texts.push(sampleOf((await readPath(path, { maxBytes })).outcome).data["text"]);
    }
    expect(texts).toEqual(["a", "a", "aé", "aé", "aé", "aé€", "aé€z"]);
  });

  // Attack 53: the scrubber has to know what a window was cut from.
  test("a cut text comes with what stands around it, so far as a secret may reach", async () => {
    const path = join(folder, "around");
    const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index}\n`).join("");
    writeFileSync(path, lines);
    const tail = sampleOf((await readPath(path, { tailBytes: 100, maxBytes: 1000 })).outcome);
    const { text } = tail.data as { text: string };
    const { before = "", after } = tail.margins?.["text"] ?? {};
    expect(lines.endsWith(before + text)).toBe(true);
    expect([before.length > 65_000, before.length < 66_000, after]).toEqual([true, true, ""]);
    const start = sampleOf((await readPath(path, { maxBytes: 100 })).outcome);
    const margin = start.margins?.["text"];
    expect(margin?.before).toBe("");
    expect(lines.slice(100).startsWith(margin?.after ?? "-")).toBe(true);
    expect(margin?.after.length).toBe(16_384);
    const whole = sampleOf((await readPath("/proc/version")).outcome);
    expect(whole.margins).toEqual({});
  });

  // Attack 51.
  test("a huge sparse file is read up to the cap", async () => {
    const path = join(folder, "sparse");
    writeFileSync(path, "");
    truncateSync(path, 2 ** 40);
    const sparse = await readPath(path, { maxBytes: 1000 });
    expect(sampleOf(sparse.outcome).truncated).toBe(true);
    expect(sparse.trace?.bytes).toBe(1000);
  });

  // Attack 51.
  test("a fifo and a device are refused at once and never opened", async () => {
    const fifo = join(folder, "fifo");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    // The writer's open() blocks until a reader opens the fifo. No reader may.
    const writer = spawn("sh", ["-c", `exec 3>"${fifo}"`]);
    const { outcome, overdue } = await readPath(fifo);
    // READ_FAILED shows that the refusal was immediate. A read that waited would get READ_TIMEOUT.
    expect(codeOf(outcome)).toBe("READ_FAILED");
    expect(overdue).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(writer.exitCode).toBe(null);
    writer.kill("SIGKILL");
    // The same device as /dev/zero, elsewhere. Only root can make one.
    const zero = join(folder, "zero");
    if (spawnSync("mknod", [zero, "c", "1", "5"]).status !== 0) {
      process.stderr.write("not checked without root: that a device is never opened\n");
      return;
    }
    expect(codeOf((await readPath(zero)).outcome)).toBe("READ_FAILED");
  });

  test("an absent file, a folder and a path that is not normalised are refused", async () => {
    expect(codeOf((await readPath(join(folder, "none"))).outcome)).toBe("SOURCE_NOT_FOUND");
    expect(codeOf((await readPath(join(folder, "ten", "x"))).outcome)).toBe("SOURCE_NOT_FOUND");
    expect(codeOf((await readPath(folder)).outcome)).toBe("READ_FAILED");
    for (const path of ["etc/hostname", "/etc/../etc/hostname", "/etc//hostname", "/etc/x\0y"]) {
      expect(codeOf((await readPath(path)).outcome)).toBe("READ_FAILED");
    }
  });

  test("a link that others can change is not followed, one only root can change is", async () => {
    const open = join(folder, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    symlinkSync("/etc/hostname", join(open, "link"));
    symlinkSync("/etc", join(open, "folder"));
    expect(codeOf((await readPath(join(open, "link"))).outcome)).toBe("READ_FAILED");
    expect(codeOf((await readPath(join(open, "folder", "hostname"))).outcome)).toBe("READ_FAILED");
    chmodSync(open, 0o1777);
    expect(codeOf((await readPath(join(open, "link"))).outcome)).toBe("READ_FAILED");
    expect(codeOf((await readPath("/proc/mounts")).outcome)).toBe("ok");
    expect(codeOf((await readPath("/proc/net/dev")).outcome)).toBe("ok");
  });

  test("a link to the agent's own files is refused", async () => {
    const trusted = join(folder, "trusted");
    mkdirSync(trusted, { mode: 0o755 });
    symlinkSync("../agent-state/key", join(trusted, "link"));
    const { outcome } = await readPath(join(trusted, "link"));
    // As root the link is trusted and its target is denied. As another user the link is
    // not followed.
    expect(codeOf(outcome)).toBe(process.getuid?.() === 0 ? "READ_NOT_GRANTED" : "READ_FAILED");
    expect(codeOf((await readPath(join(denied, "key"))).outcome)).toBe("READ_NOT_GRANTED");
    expect(codeOf((await readPath(`${denied}-not/key`)).outcome)).toBe("SOURCE_NOT_FOUND");
  });

  // Attack 54.
  test("memory, environment and open files of a process are never read", async () => {
    const pid = process.pid;
    const paths = [
      "environ",
      "mem",
      "maps",
      "smaps_rollup",
      "fd/0",
      "exe",
      "cwd/x",
      "root/etc/hostname",
    ]
      .flatMap((name) => [
        `/proc/${pid}/${name}`,
        `/proc/self/${name}`,
        `/proc/${pid}/task/${pid}/${name}`,
      ])
      .concat(
        "/proc/kcore",
        "/proc/kmsg",
        "/proc/thread-self/environ",
        "/srv/chroot/proc/1/environ",
      );
    const codes = await Promise.all(
      paths.map(async (path) => codeOf((await readPath(path)).outcome)),
    );
    expect(new Set(codes)).toEqual(new Set(["READ_NOT_GRANTED"]));
    expect(codeOf((await readPath(`/proc/${pid}/task/${pid}/stat`)).outcome)).toBe("ok");
  });

  // A manifest that names such a path is refused; a hole with the root /etc or /run is not.
  test("devices and Sonde's own folders are never read, wherever a hole leads", async () => {
    const paths = ["/etc/sonde/trust.json", "/run/sonde/agent.sock", "/var/lib/sonde", "/dev/null"];
    for (const path of paths) {
      expect(codeOf((await readPath(path)).outcome), path).toBe("READ_NOT_GRANTED");
    }
    expect(codeOf((await readPath("/etc/sondes")).outcome)).toBe("SOURCE_NOT_FOUND");
  });

  // Attack 51.
  test("a link swapped in between check and use is never followed", async () => {
    const arena = join(folder, "arena");
    mkdirSync(join(arena, "real"), { recursive: true });
    chmodSync(arena, 0o777);
    writeFileSync(join(arena, "real", "x"), "harmless");
    const swap = `const fs=require("fs");process.chdir(${JSON.stringify(arena)});
      for(const parent=process.ppid;process.ppid===parent;){fs.symlinkSync(${JSON.stringify(denied)},"l");fs.renameSync("real","away");
      fs.renameSync("l","real");fs.unlinkSync("real");fs.renameSync("away","real");}`;
    writeFileSync(join(denied, "x"), "secret");
    const swapper = spawn(process.execPath, ["-e", swap]);
    try {
      const seen = new Set<unknown>();
      const end = performance.now() + 10_000;
      for (let i = 0; i < 10_000 && performance.now() < end; i++) {
        const { outcome } = await readPath(join(arena, "real", "x"));
        seen.add(outcome.ok ? outcome.samples[0]?.data : outcome.failure.code);
      }
      expect(JSON.stringify([...seen])).not.toContain("secret");
      expect(seen.size).toBeGreaterThan(1);
    } finally {
      swapper.kill("SIGKILL");
    }
  });

  test("many samples are taken at their interval, within the time there is", async () => {
    const samples = { count: 3, intervalMs: 60 };
    const source: Source = { kind: "file", path: "/proc/uptime", samples, ...limits };
    const { outcome } = await read(source);
    const at = outcome.ok ? outcome.samples.map((sample) => sample.at) : [];
    expect(at).toHaveLength(3);
    expect((at[2] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(115);
    expect(codeOf((await read(source, {}, 100)).outcome)).toBe("READ_TIMEOUT");
  });

  test("a clock that is set between two samples does not move them apart", async () => {
    const samples = { count: 2, intervalMs: 60 };
    const source: Source = { kind: "file", path: "/proc/uptime", samples, ...limits };
    const now = Date.now();
    const clock = vi
      .spyOn(Date, "now")
      .mockReturnValue(now + 3_600_000)
      .mockReturnValueOnce(now);
    const { outcome } = await read(source);
    clock.mockRestore();
    const [first = 0, second = 0] = outcome.ok ? outcome.samples.map((sample) => sample.at) : [];
    expect(first).toBeGreaterThanOrEqual(now);
    expect(second - first).toBeGreaterThanOrEqual(50);
    expect(second - first).toBeLessThan(10_000);
  });
});

describe("directory", () => {
  const processes: Source = {
    kind: "directory",
    path: "/proc",
    names: "numeric",
    child: "stat",
    maxEntries: 20_000,
    timeoutMs: 5000,
    maxBytes: 8_388_608,
  };

  test("reads a file of every process, in order", async () => {
    const { entries } = sampleOf((await read(processes)).outcome).data as {
      entries: { name: string; text: string }[];
    };
    const pids = entries.map((entry) => Number(entry.name));
    expect(pids).toContain(process.pid);
    expect(pids).toEqual([...pids].sort((a, b) => a - b));
    expect(entries.every(({ name, text }) => text.startsWith(`${name} (`))).toBe(true);
  });

  test("the name of a process is text, also where it reorders a line and is cut within a character", async () => {
    const script = "printf 'a) \\342\\200\\256b\\303' > /proc/$$/comm; echo named; read end";
    const child = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void child.stdin.end());
    await once(child.stdout, "data");
    const { entries } = sampleOf((await read(processes)).outcome).data as {
      entries: { name: string; text: string }[];
    };
    const own = entries.find(({ name }) => name === String(child.pid));
    expect(own?.text).toMatch(/^\d+ \(a\) \u202Eb\uFFFD\) [RS] /);
  });

  test("caps entries and bytes and says so", async () => {
    const few = sampleOf((await read({ ...processes, maxEntries: 2 })).outcome);
    expect(few.truncated).toBe(true);
    expect(few.data["entries"]).toHaveLength(2);
    const small = sampleOf((await read({ ...processes, maxBytes: 300 })).outcome);
    expect(small.truncated).toBe(true);
    expect(JSON.stringify(small.data).length).toBeLessThan(700);
  });

  test("the cut file of an entry comes with what stands after it", async () => {
    const list = join(folder, "long");
    for (const name of ["a", "b", "c"]) mkdirSync(join(list, name), { recursive: true });
    writeFileSync(join(list, "b", "v"), "short");
    writeFileSync(join(list, "c", "v"), "0123456789".repeat(9000));
    const source = { kind: "directory", path: list, names: "all", child: "v" } as const;
    const { outcome } = await read({ ...source, maxEntries: 10, ...limits, maxBytes: 100_000 });
    const { data, margins } = sampleOf(outcome);
    const [, cut] = data["entries"] as { name: string; text: string }[];
    expect([cut?.name, cut?.text.length, Object.keys(margins ?? {})]).toEqual(["c", 65_536, ["1"]]);
    expect(margins?.["1"]?.after).toHaveLength(16_384);
  });

  test("an entry without the file is left out, one that is no file has a failure", async () => {
    const list = join(folder, "list");
    for (const name of ["a", "b", "c"]) mkdirSync(join(list, name), { recursive: true });
    writeFileSync(join(list, "plain"), "");
    writeFileSync(join(list, "a", "v"), "1");
    mkdirSync(join(list, "b", "v"));
    const source: Source = {
      kind: "directory",
      path: list,
      names: "all",
      child: "v",
      maxEntries: 10,
      ...limits,
    };
    const { entries } = sampleOf((await read(source)).outcome).data as { entries: unknown[] };
    expect(entries).toMatchObject([
      { name: "a", text: "1" },
      { name: "b", failure: { code: "READ_FAILED" } },
    ]);
    const { child: _, ...plain } = source;
    expect(sampleOf((await read(plain as Source)).outcome).data).toEqual({
      entries: [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "plain" }],
    });
  });

  test("contents are those of the entries that are files, through no link but root's", async () => {
    const list = join(folder, "contents");
    mkdirSync(join(list, "sub"), { recursive: true });
    writeFileSync(join(list, "a"), "one");
    writeFileSync(join(list, "b"), "x".repeat(300));
    symlinkSync("/etc/hostname", join(list, "link"));
    chmodSync(list, 0o777);
    const source = { kind: "directory", path: list, names: "all", contents: true } as const;
    const all = sampleOf((await read({ ...source, maxEntries: 10, ...limits })).outcome);
    expect(all.data["entries"]).toMatchObject([
      { name: "a", text: "one" },
      { name: "b", text: "x".repeat(300) },
      { name: "link", failure: { code: "READ_FAILED" } },
      { name: "sub", failure: { code: "READ_FAILED" } },
    ]);
    const few = await read({ ...source, maxEntries: 10, ...limits, maxBytes: 20 });
    expect(sampleOf(few.outcome)).toMatchObject({ truncated: true });
    expect(JSON.stringify(sampleOf(few.outcome).data)).not.toContain("x".repeat(21));
  });

  test("what lies in a process's memory is read on threads, where it blocks one of them only", () => {
    expect(callsFor("/proc/7/cmdline")).toBe(callsFor("/home/a"));
    expect(callsFor("/proc/7/stat")).not.toBe(callsFor("/home/a"));
  });

  test("an environment is not read through a directory either", async () => {
    const { outcome } = await read({ ...processes, child: "environ" });
    const { entries } = sampleOf(outcome).data as {
      entries: { text?: string; failure?: { code: string } }[];
    };
    expect(entries.some((entry) => entry.text !== undefined)).toBe(false);
    expect(entries[0]?.failure?.code).toBe("READ_NOT_GRANTED");
    expect(codeOf((await read({ ...processes, path: `/proc/${process.pid}/fd` })).outcome)).toBe(
      "READ_NOT_GRANTED",
    );
  });
});

describe("filesystem", () => {
  test("gives the same numbers as df", async () => {
    const { outcome } = await read({ kind: "filesystem", ...limits });
    const { mounts } = sampleOf(outcome).data as {
      mounts: { mountPoint: string; totalBytes: number }[];
    };
    const df = spawnSync("df", ["-B1", "--output=size", "/"], { encoding: "utf8" }).stdout;
    const root = mounts.find((mount) => mount.mountPoint === "/");
    expect(root?.totalBytes).toBe(Number(df.split("\n")[1]));
    const points = mounts.map((mount) => mount.mountPoint);
    expect(points).toEqual([...new Set(points)].sort());
  });
});

describe("exec", () => {
  const run = (command: string, argv: string[], more: object = {}, timeoutMs?: number) =>
    read({ kind: "exec", command, argv, ...limits, ...more }, {}, timeoutMs);

  // Attack 50.
  test("passes arguments literally, with nothing in the environment and on stdin", async () => {
    const hostile = ["$(id)", "`id`", "*", "a b", "x;y", "é\u202E"];
    const { outcome } = await run("printf", ["%s|", ...hostile]);
    expect(sampleOf(outcome).data).toEqual({
      stdout: `${hostile.join("|")}|`,
      stderr: "",
      exitCode: 0,
    });
    process.env["SONDE_TEST_SECRET"] = "x";
    expect(sampleOf((await run("env", [])).outcome).data["stdout"]).toBe(
      "LC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n",
    );
    expect(sampleOf((await run("cat", [])).outcome).data["stdout"]).toBe("");
  });

  test("an unexpected exit code is a failure, a declared one an answer", async () => {
    const { outcome } = await run("ls", [join(folder, "absent")]);
    expect(codeOf(outcome)).toBe("READ_FAILED");
    expect(outcome.ok ? "" : outcome.failure.message).toContain(
      "ls ended with 2: ls: cannot access",
    );
    expect(sampleOf((await run("false", [], { okExitCodes: [1] })).outcome).data["exitCode"]).toBe(
      1,
    );
    expect(codeOf((await run("no-such-command", [])).outcome)).toBe("SOURCE_NOT_FOUND");
  });

  // Attack 56.
  test("endless output is cut at the cap and its process killed", async () => {
    const mark = `bomb-${process.pid}-${Date.now()}`;
    const { outcome } = await run("yes", [mark], { maxBytes: 1000 });
    const sample = sampleOf(outcome);
    expect(sample.truncated).toBe(true);
    expect(String(sample.data["stdout"])).toHaveLength(1000);
    await expect.poll(() => processesWith(mark)).toEqual([]);
  });

  test("at the deadline the whole process group is killed", async () => {
    const mark = `${process.pid}${Date.now()}`.slice(-9);
    const argv = ["-c", `sleep 1${mark} & sleep 2${mark} & wait`];
    const { outcome, overdue } = await run("sh", argv, { timeoutMs: 200 });
    expect(codeOf(outcome)).toBe("READ_TIMEOUT");
    expect(overdue).toHaveLength(1);
    await expect.poll(() => processesWith(mark)).toEqual([]);
  });

  test("what a command leaves behind in its group is killed when it ends", async () => {
    const mark = `${process.pid}${Date.now()}`.slice(-9);
    const { outcome } = await run("sh", ["-c", `sleep 1${mark} & echo done`]);
    expect(sampleOf(outcome).data["stdout"]).toBe("done\n");
    await expect.poll(() => processesWith(mark)).toEqual([]);
  });

  test("a command that anybody but root can change is refused", () => {
    expect(findTrustedCommand("ls")).toMatch(/^\/(usr\/)?bin\/ls$/);
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "tool"), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync("/usr/bin/true", join(bin, "link"));
    // When root runs this test, the folder itself is trusted, but /tmp above it is writable by all.
    expect(() => findTrustedCommand("tool", [bin])).toThrowError(
      expect.objectContaining({ code: "READ_FAILED" }),
    );
    expect(() => findTrustedCommand("link", [bin])).toThrowError(
      expect.objectContaining({ code: "READ_FAILED" }),
    );
  });
});

function processesWith(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const alive = !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      return alive && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
    } catch {
      return false;
    }
  });
}

describe("http", () => {
  let socket: string;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (request.url === "/redirect") response.writeHead(302, { location: "/ok" }).end();
    else if (request.url === "/forbidden") response.writeHead(403).end();
    else if (request.url === "/broken") response.writeHead(500).end();
    else if (request.url === "/hang") response.writeHead(200).write("x");
    else if (request.url === "/endless") {
      response.on("error", () => undefined);
      const more = () => {
        while (!response.destroyed && response.write("y".repeat(10_000)));
      };
      response.on("drain", more);
      more();
    } else if (request.url === "/lines") {
      for (let at = 0; at < 100; at += 1) {
        response.write(Array.from({ length: 200 }, (_, n) => `${at * 200 + n}\n`).join(""));
      }
      response.end();
    } else if (request.url === "/output") {
      response.write(Buffer.of(2, 0, 0, 0, 0, 0, 0));
      response.end(Buffer.from("\u0003T\u0020\n"));
    } else if (request.url?.startsWith("/ok")) response.end('{"a":1}');
    else response.writeHead(404).end();
  });
  beforeAll(async () => {
    socket = join(folder, "s");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const get = (path: string, more: object = {}) =>
    read({ kind: "http", socket, path, ...limits, ...more });

  test("asks by GET, with path and query as declared", async () => {
    const { outcome, trace } = await read(
      {
        kind: "http",
        socket,
        path: ["/ok/", { hole: "id" }],
        query: { all: { hole: "all" }, f: "a&b=c" },
        ...limits,
      },
      { id: "web", all: "true" },
    );
    expect(sampleOf(outcome).data).toEqual({ status: 200, body: '{"a":1}' });
    expect(seen.at(-1)).toBe("GET /ok/web?all=true&f=a%26b%3Dc");
    expect(trace?.bytes).toBe(7);
  });

  test.each([
    ["/none", "SOURCE_NOT_FOUND"],
    ["/forbidden", "PERMISSION_NEEDED"],
    ["/broken", "READ_FAILED"],
    ["/redirect", "READ_FAILED"],
    ["/ok/../redirect", "READ_FAILED"],
    ["/ok/%2e%2E/x", "READ_FAILED"],
    ["/ok x", "READ_FAILED"],
    ["/ok\r\nx: y", "READ_FAILED"],
    ["//ok#f", "READ_FAILED"],
  ])("%j gives %s", async (path, code) => {
    const before = seen.length;
    expect(codeOf((await get(path)).outcome)).toBe(code);
    expect(seen.length - before).toBeLessThanOrEqual(1);
    expect(seen.at(-1)).not.toBe("GET /ok");
  });

  test("of a longer answer the end is kept when that is asked for, from a line's beginning on", async () => {
    const all = Array.from({ length: 20_000 }, (_, n) => `${n}\n`).join("");
    const kept = sampleOf((await get("/lines", { maxBytes: 1000, keep: "last" })).outcome);
    expect(kept.truncated).toBe(true);
    const { body } = kept.data as { body: string };
    expect(body).toBe(all.slice(-996));
    expect(body.startsWith("19834\n")).toBe(true);
    // What the scrubber sees before it.
    expect(kept.margins?.["body"]).toEqual({ before: all.slice(-66_536, -996), after: "" });
    const whole = sampleOf((await get("/lines", { maxBytes: 200_000, keep: "last" })).outcome);
    expect(whole).toMatchObject({ truncated: false, data: { body: all } });
  });

  test("what a container wrote is given by lines, with the stream of each", async () => {
    const more = { keep: "last", as: "container-output" };
    expect(sampleOf((await get("/output", more)).outcome).data).toEqual({
      ...{ status: 200, body: "err T \n" },
    });
  });

  test("a time of a query is counted from now on", async () => {
    const query = {
      since: { minutesAgo: { hole: "minutes" } },
      from: { minutesAgo: 0 },
      until: { secondsAhead: 5 },
    };
    const before = Math.floor(Date.now() / 1000);
    await read({ kind: "http", socket, path: "/ok", query, ...limits }, { minutes: "10" });
    const asked = new URL(seen.at(-1)?.replace("GET ", "http://engine") ?? "").searchParams;
    const from = Number(asked.get("from"));
    expect(from).toBeGreaterThanOrEqual(before);
    expect(from).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
    expect([Number(asked.get("since")), Number(asked.get("until"))]).toEqual([
      from - 600,
      from + 5,
    ]);
  });

  test("an endless body is cut, a hanging one stopped, a missing or silent socket named", async () => {
    const cut = sampleOf((await get("/endless", { maxBytes: 5000 })).outcome);
    expect(cut).toMatchObject({ truncated: true, data: { body: "y".repeat(5000) } });
    expect(cut.margins?.["body"]).toEqual({ before: "", after: "y".repeat(16_384) });
    expect(codeOf((await get("/hang", { timeoutMs: 100 })).outcome)).toBe("READ_TIMEOUT");
    expect(codeOf((await get("/ok", { socket: `${socket}-none` })).outcome)).toBe(
      "SOURCE_NOT_FOUND",
    );
    expect(codeOf((await get("/ok", { socket: "/etc/hostname" })).outcome)).toBe("READ_FAILED");
    const stale = join(folder, "stale");
    const dying = createServer();
    await new Promise<void>((resolve) => dying.listen(stale, resolve));
    linkSync(stale, `${stale}2`);
    await new Promise((resolve) => dying.close(resolve));
    expect(codeOf((await get("/ok", { socket: `${stale}2` })).outcome)).toBe("READ_FAILED");
  });
});

test("a request with many reads begins twenty at a time, and each has an outcome in its place", async () => {
  const path = join(folder, "silent.sock");
  let askedCount = 0;
  const askedAtFirstEnd = Promise.withResolvers<number>();
  const server = createServer((request) => {
    askedCount++;
    request.socket.on("close", () => askedAtFirstEnd.resolve(askedCount));
  }).listen(path);
  onTestFinished(() => {
    server.close();
  });
  const source: Source = { kind: "http", socket: path, path: "/", timeoutMs: 300, maxBytes: 9 };
  const silent = Array.from({ length: 30 }, (_, index) => ({
    ...{ name: `it.${index}`, source, values: {} },
  }));
  const limit = { denyPaths: [], onOverdue: () => undefined };
  const done = await performReads(silent, 20_000, limit);
  expect(await askedAtFirstEnd.promise).toBeLessThanOrEqual(20);
  expect(done.traces.map(({ name }) => name)).toEqual(silent.map(({ name }) => name));
  expect(Object.values(outcomesOf(done)).map(codeOf)).toEqual(silent.map(() => "READ_TIMEOUT"));
});

test("a failed read does not affect other reads, and outcomes keep their order", async () => {
  const reads: FilledRead[] = [
    { name: "b", source: { kind: "file", path: "/nope", ...limits }, values: {} },
    { name: "a", source: { kind: "file", path: "/proc/uptime", ...limits }, values: {} },
    { name: "c", source: { kind: "file", path: [{ hole: "x" }], ...limits }, values: {} },
  ];
  const done = await performReads(reads, 1000, { denyPaths: [], onOverdue: () => undefined });
  const outcomes = outcomesOf(done);
  expect(Object.keys(outcomes)).toEqual(["b", "a", "c"]);
  expect(done.traces.map(({ name }) => name)).toEqual(["b", "a", "c"]);
  expect(Object.values(outcomes).map(codeOf)).toEqual(["SOURCE_NOT_FOUND", "ok", "PARAMS_INVALID"]);
});
