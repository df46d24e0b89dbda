import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { files } from "./files.ts";
import { search } from "./search.ts";
import { tail } from "./tail.ts";

const input = (reads: object, params = {}): GuestInput => {
  const [[name, data] = ["", {}]] = Object.entries(reads);
  const { truncated = false, ...rest } = data as { truncated?: boolean };
  return {
    params,
    now: 0,
    reads: { [name]: { ok: true, samples: [{ at: 0, truncated, data: rest }] } },
  };
};
const lines = (texts: string[], more = {}) => ({
  parts: texts.map((text) => ({ text })),
  ...{ matchCount: texts.length, searchedBytes: 100, fileBytes: 100, cutByDeadline: false },
  ...more,
});

test("lines that do not stand together are one list, the newest first", () => {
  const found = lines(["a\nb\n", "c\r\n", "d"]);
  expect(search.call(input({ found }))).toMatchObject({
    lines: ["d", "c", "b", "a"],
    isText: true,
    incomplete: false,
  });
});

test("no line of a binary file is given, and a few strange bytes make none", () => {
  const isText = (text: string) => search.call(input({ found: lines([text]) }));
  expect(isText("a\0b\n")).toMatchObject({ lines: [], isText: false });
  expect(isText("\uFFFD\uFFFD\uFFFDab\n")).toMatchObject({ lines: [], isText: false });
  expect(isText("a caf\uFFFD somewhere\n")).toMatchObject({ isText: true });
  expect(isText("")).toMatchObject({ lines: [], isText: true });
});

test("a search that did not see all of a file says so", () => {
  const incomplete = (more: object) => search.call(input({ found: lines(["a\n"], more) }));
  expect(incomplete({ searchedBytes: 99 })).toMatchObject({ incomplete: true });
  expect(incomplete({ cutByDeadline: true, searchedBytes: 9 })).toMatchObject({
    ...{ incomplete: true, cutByDeadline: true },
  });
  expect(incomplete({ truncated: true })).toMatchObject({ incomplete: true });
});

test("a tail is incomplete when more lines were there than could be given", () => {
  const tailed = (more: object) => tail.call(input({ newest: lines(["a\n"], more) }, { lines: 2 }));
  expect(tailed({})).toMatchObject({ incomplete: false });
  expect(tailed({ fileBytes: 200 })).toMatchObject({ incomplete: true });
  expect(tailed({ truncated: true })).toMatchObject({ incomplete: true });
});

test("files: compressed and rotated by their names, the last written first", () => {
  const entry = (path: string, modifiedAt: number, type = "file") => ({
    ...{ path, modifiedAt, type, sizeBytes: 1 },
  });
  const failure = { code: "PERMISSION_NEEDED", message: "not this one" };
  const found = [
    ...[entry("a.log", 1), entry("a.log.1", 2), entry("a.log.2.gz", 3), entry("a-20260101.xz", 4)],
    ...[entry("link", 9, "link"), { ...entry("private", 9, "directory"), failure }],
  ];
  expect(files.call(input({ tree: { found, truncated: true } }, { name: "a", limit: 3 }))).toEqual({
    files: [
      ["a-20260101.xz", 4, true, true],
      ["a.log.2.gz", 3, true, true],
      ["a.log.1", 2, false, true],
    ].map(([path, at, compressed, rotated]) => ({
      ...{ path: `/var/log/${path}`, sizeBytes: 1, compressed, rotated },
      modifiedAt: new Date(Number(at)).toISOString(),
    })),
    fileCount: 4,
    totalBytes: 4,
    unreadable: [{ path: "/var/log/private", reason: "not this one" }],
    incomplete: true,
  });
});
