import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { processesTop } from "./processes-top.ts";

type Entry = { name: string; text?: string; failure?: { code: string; message: string } };

const stat = (pid: number, ticks: number, pages: number, start = 5): Entry => ({
  name: String(pid),
  text: `${pid} (p${pid}) S 1 1 1 0 -1 0 0 0 0 0 ${ticks} 0 0 0 20 0 1 0 ${start} 0 ${pages} 0`,
});
const gone: Entry = { name: "9", failure: { code: "SOURCE_NOT_FOUND", message: "gone" } };
const unreadable: Entry = { name: "8", failure: { code: "PERMISSION_NEEDED", message: "no" } };
const file = (text: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { text } }],
});

type Options = { params?: object; cut?: boolean; hidden?: boolean; getconf?: string | null };

const failed = { ok: false as const, failure: { code: "SOURCE_NOT_FOUND", message: "none" } };
const output = (stdout: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { stdout, stderr: "", exitCode: 0 } }],
});
const commandLine = (name: string, ...argv: string[]) => ({
  name,
  text: argv.map((argument) => `${argument}\0`).join(""),
});

function ask(
  before: Entry[],
  after: Entry[],
  { params = {}, cut = false, hidden = false, getconf = "4096\n" }: Options = {},
  commandLines: Entry[] | null = [],
): unknown {
  const othersHidden = hidden ? { othersHidden: true } : {};
  const samples = [
    { at: 1000, truncated: cut, data: { entries: before, ...othersHidden } },
    { at: 1500, truncated: false, data: { entries: after, ...othersHidden } },
  ];
  const listed = [{ at: 1000, truncated: false, data: { entries: commandLines ?? [] } }];
  const input: GuestInput = {
    params,
    now: 1000,
    reads: {
      processes: { ok: true, samples },
      memory: file("MemTotal: 1000000 kB\nMemFree: 641000 kB\n"),
      pageSize: getconf === null ? failed : output(getconf),
      commandLines: commandLines === null ? failed : { ok: true, samples: listed },
    },
  };
  return processesTop.call(input);
}

test("CPU use is measured between the two samples, as a percentage of one CPU", () => {
  expect(ask([stat(1, 100, 1), stat(2, 900, 1)], [stat(1, 150, 1), stat(2, 905, 1)])).toMatchObject(
    {
      measuredMs: 500,
      processes: [
        { pid: 1, cpuPercent: 100 },
        { pid: 2, cpuPercent: 10 },
      ],
    },
  );
});

test("a reused pid is another process", () => {
  expect(ask([stat(1, 100, 1, 5)], [stat(1, 20, 1, 77)])).toMatchObject({
    processes: [{ cpuPercent: 40 }],
  });
});

test("a process that a truncated sample may have missed gets no CPU share", () => {
  expect(ask([], [stat(1, 90_000, 1)], { cut: true })).toMatchObject({
    processes: [{ cpuPercent: 0 }],
    incomplete: true,
  });
});

test.each([
  ["4096\n", 104_857_600, 10.2],
  // More than the total, so the total is of another view.
  ["65536\n", 1_677_721_600, null],
])("25,600 pages where getconf says %j are %i bytes", (getconf, residentBytes, memoryPercent) => {
  expect(ask([], [stat(1, 0, 25_600)], { getconf })).toMatchObject({
    processes: [{ residentBytes, memoryPercent }],
  });
});

test.each([null, "", "undefined\n", "-1\n"])(
  "where getconf gives %j, bytes are null and the rest is answered",
  (getconf) => {
    const after = [stat(1, 0, 3), stat(2, 0, 9)];
    expect(ask([], after, { getconf, params: { sortBy: "memory" } })).toMatchObject({
      processes: [
        { pid: 2, residentBytes: null, memoryPercent: null },
        { pid: 1, residentBytes: null },
      ],
    });
  },
);

test("resident bytes are what the kernel of this host calls VmRSS", () => {
  const own = readFileSync("/proc/self/stat", "utf8");
  const getconf = execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" });
  const kilobytes = Number(
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1],
  );
  const { processes } = ask([], [{ name: "1", text: own }], { getconf }) as {
    processes: { residentBytes: number }[];
  };
  // The process grows a little between the two reads; another page size would be a factor of 4.
  expect((processes[0]?.residentBytes ?? 0) / (kilobytes * 1024)).toBeCloseTo(1, 0);
});

test("processes of one name are told apart by their program, never by an argument", () => {
  const lines = [
    commandLine("1", "/usr/bin/node", "/srv/shop/server.js", "--token=secret"),
    commandLine("2", "node", "/srv/mail/worker.js"),
  ];
  const after = [stat(1, 0, 3), stat(2, 0, 2), stat(3, 0, 1)];
  const result = ask([], after, {}, lines);
  expect(result).toMatchObject({
    processes: [{ program: "node server.js" }, { program: "node worker.js" }, { program: null }],
  });
  expect(JSON.stringify(result)).not.toContain("secret");
  const none = { program: null };
  const processes = [none, none, none];
  expect(ask([], after, {}, null)).toMatchObject({ processCount: 3, processes });
});

test("processes that the kernel hides make the answer incomplete", () => {
  expect(ask([], [stat(1, 0, 1)], { hidden: true })).toMatchObject({
    ...{ processCount: 1, othersHidden: true, incomplete: true },
  });
  expect(ask([], [stat(1, 0, 1)])).toMatchObject({ othersHidden: false, incomplete: false });
});

test("a process that has ended is not reported as unreadable", () => {
  expect(ask([], [stat(1, 0, 1), gone, unreadable])).toMatchObject({
    processCount: 1,
    unreadableCount: 1,
  });
});
