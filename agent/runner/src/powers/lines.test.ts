import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinesSource } from "@sonde/schemas/manifest";
import { parseRunnerOutcomes, type RunnerSample } from "@sonde/schemas/reads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { performReads } from "./powers.ts";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lines-"));
  path = join(folder, "app.log");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const limits = { timeoutMs: 10_000, maxBytes: 65_536, searchBytes: 4 * 1024 ** 3 };

async function read(options: Partial<LinesSource> = {}, values: Record<string, string> = {}) {
  const source: LinesSource = { kind: "lines", path, newest: 100, ...limits, ...options };
  const { outcomes, traces } = await performReads([{ name: "it", source, values }], 20_000, {
    denyPaths: [],
    onOverdue: () => undefined,
  });
  const outcome = parseRunnerOutcomes(JSON.parse(outcomes.toString("utf8")))["it"];
  return { outcome, what: traces[0]?.what };
}

function sampleOf(outcome: Awaited<ReturnType<typeof read>>["outcome"]) {
  if (outcome?.ok !== true) throw new Error(JSON.stringify(outcome));
  const [sample] = outcome.samples as [RunnerSample];
  if (!("parts" in sample.data)) throw new Error("expected lines");
  return { ...sample, data: sample.data };
}

test("lines that do not stand together are parts, each with what stands around it", async () => {
  writeFileSync(path, "password:\n  a1 x\nmiddle\nb x\nc x\nend\n");
  const { outcome, what } = await read({ contains: "x" });
  expect(sampleOf(outcome)).toMatchObject({
    truncated: false,
    data: {
      parts: [{ text: "  a1 x\n" }, { text: "b x\nc x\n" }],
      ...{ matchCount: 3, searchedBytes: 36, fileBytes: 36, cutByDeadline: false },
    },
    margins: {
      0: { before: "password:\n", after: "middle\nb x\nc x\nend\n" },
      1: { before: "password:\n  a1 x\nmiddle\n", after: "end\n" },
    },
  });
  expect(what).toBe(`file ${path} (newest 100 lines with x, of the last 4294967296 bytes)`);
});

test("holes fill the count, the text and whether letter case is ignored", async () => {
  writeFileSync(path, "One\none\nONE -x\ntwo\n");
  const source: Partial<LinesSource> = {
    newest: { hole: "count" },
    contains: { hole: "text" },
    ignoreCase: { hole: "any" },
    holes: {
      count: { type: "integer", minimum: 1, maximum: 9 },
      text: { type: "text", maxLength: 9, optional: true },
      any: { type: "boolean" },
    },
  };
  const ask = async (count: string, text: string, any: string) => {
    const { parts } = sampleOf((await read(source, { count, text, any })).outcome).data;
    return parts.map((part) => part.text).join("");
  };
  expect(await ask("2", "one", "true")).toBe("one\nONE -x\n");
  expect(await ask("2", "one", "false")).toBe("one\n");
  expect(await ask("9", "-x", "false")).toBe("ONE -x\n");
  // Without a text every line fits.
  expect(await ask("2", "", "true")).toBe("ONE -x\ntwo\n");
});

test("a file without a size, and one that is empty", async () => {
  const { data } = sampleOf((await read({ path: "/proc/meminfo", contains: "MemTotal" })).outcome);
  expect(data.parts).toEqual([{ text: expect.stringMatching(/^MemTotal: .*\n$/) }]);
  writeFileSync(path, "");
  expect(sampleOf((await read()).outcome)).toMatchObject({
    truncated: false,
    data: { parts: [], matchCount: 0, fileBytes: 0 },
  });
});

test("a large file costs its bytes and little memory", async () => {
  // Sparse, so it takes no disk: the zeros before the last lines are one line without an end.
  writeFileSync(path, "needle at the very beginning\n");
  truncateSync(path, 1024 ** 3);
  appendFileSync(path, "\nneedle at the end\n");
  const before = process.memoryUsage().rss;
  const sample = sampleOf((await read({ contains: "needle", timeoutMs: 30_000 })).outcome);
  expect(sample.data.parts.at(-1)).toEqual({ text: "needle at the end\n" });
  const { matchCount, searchedBytes, cutByDeadline, fileBytes } = sample.data;
  // A slow machine stops at the deadline, and says so.
  expect([matchCount, searchedBytes === fileBytes]).toEqual(cutByDeadline ? [1, false] : [2, true]);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 ** 2);
}, 40_000);

test("at its deadline a search answers with what it found", async () => {
  writeFileSync(path, "old needle\n");
  truncateSync(path, 64 * 1024 ** 3);
  appendFileSync(path, "\nnew needle\n");
  const options = { contains: "needle", timeoutMs: 3000, searchBytes: 1024 ** 4 };
  expect(sampleOf((await read(options)).outcome).data).toMatchObject({
    parts: [{ text: "new needle\n" }],
    matchCount: 1,
    cutByDeadline: true,
  });
}, 20_000);

test("a file that may not be read is a failure", async () => {
  for (const [at, code] of [
    [join(folder, "none.log"), "SOURCE_NOT_FOUND"],
    [folder, "READ_FAILED"],
    ["/etc/sonde/agent.json", "READ_NOT_GRANTED"],
    [`${folder}/../x`, "READ_FAILED"],
  ] as const) {
    expect((await read({ path: at })).outcome).toMatchObject({ ok: false, failure: { code } });
  }
});
