import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { processesTop } from "./processes-top.ts";

type Entry = { name: string; text?: string; failure?: { code: string; message: string } };

const stat = (pid: number, ticks: number, pages: number, start = 5): Entry => ({
  name: String(pid),
  text: `${pid} (p${pid}) S 1 1 1 0 -1 0 0 0 0 0 ${ticks} 0 0 0 20 0 1 0 ${start} 0 ${pages} 0`,
});
const gone: Entry = { name: "9", failure: { code: "SOURCE_NOT_FOUND", message: "gone" } };
const hidden: Entry = { name: "8", failure: { code: "PERMISSION_NEEDED", message: "no" } };
const file = (text: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { text } }],
});

function ask(before: Entry[], after: Entry[], params: object = {}, cut = false): unknown {
  const samples = [
    { at: 1000, truncated: cut, data: { entries: before } },
    { at: 1500, truncated: false, data: { entries: after } },
  ];
  const input: GuestInput = {
    params,
    now: 1000,
    reads: {
      processes: { ok: true, samples },
      memory: file("MemTotal: 1000000 kB\nMemFree: 641000 kB\n"),
      pages: file("nr_free_pages 10000\n"),
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
  expect(ask([], [stat(1, 90_000, 1)], {}, true)).toMatchObject({
    processes: [{ cpuPercent: 0 }],
    incomplete: true,
  });
});

test("the page size follows the kernel: 64 KiB here", () => {
  expect(ask([], [stat(1, 0, 3)], { sortBy: "memory" })).toMatchObject({
    processes: [{ residentBytes: 3 * 65536 }],
  });
});

test("a process that has ended is not reported as unreadable", () => {
  expect(ask([], [stat(1, 0, 1), gone, hidden])).toMatchObject({
    processCount: 1,
    unreadableCount: 1,
  });
});
