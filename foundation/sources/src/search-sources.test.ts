import type { Hole, LinesSource, Source, TreeSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkFilled, checkHole } from "./check-hole.ts";
import { checkSource } from "./check-source.ts";
import { deriveRequires } from "./derive-requires.ts";
import { describeRead } from "./describe-read.ts";
import { findMisfit } from "./hole-value.ts";
import { deriveWindows, widerWindows } from "./windows.ts";
import { verdict } from "./testing/verdict.ts";

const limits = { timeoutMs: 100, maxBytes: 4096 };
const lines = (more: Partial<LinesSource> = {}): LinesSource => ({
  ...{ kind: "lines", path: "/var/log/app.log", newest: 10, searchBytes: 65_536 },
  ...limits,
  ...more,
});
const tree = (path: string): TreeSource => ({
  ...{ kind: "tree", path, depth: 2, maxEntries: 10, ...limits },
});
const text: Hole = { type: "text", maxLength: 20 };
const maybe: Hole = { ...text, optional: true };

const checked = (source: Source): string => verdict(() => checkSource("it", source));

// Attack 50.
test("a text takes what a person can see, on one line, and nothing else", () => {
  for (const value of ["err", "-- MARK --", "50% of $x; `id`", "Ärger 日本", "../../etc/shadow"]) {
    expect(checkHole(text, value, "it")).toBe(value);
  }
  const hostile = ["", "a\nb", "a\0b", "a\rb", "\u202Egnp", "\u001B[2J", "x".repeat(21), "\uD800"];
  for (const value of [...hostile, null, undefined, 7, ["a"]]) {
    expect(verdict(() => checkHole(text, value, "it"))).toBe("PARAMS_INVALID");
  }
});

test("an optional text may be left out, any other may not", () => {
  expect(checkHole(maybe, undefined, "it")).toBe("");
  const params = { type: "object", properties: { x: { type: "string" } }, required: [] } as const;
  const asParams = { ...params, required: [], additionalProperties: false as const };
  expect(findMisfit(maybe, { param: "x" }, asParams)).toBeNull();
  expect(findMisfit(text, { param: "x" }, asParams)).toContain("expected otherwise");
  const source = lines({ contains: { hole: "x" }, holes: { x: maybe } });
  checkFilled({ name: "it", source, values: { x: "" } });
  const strict = { ...source, holes: { x: text } };
  expect(verdict(() => checkFilled({ name: "it", source: strict, values: { x: "" } }))).toBe(
    "PARAMS_INVALID",
  );
});

// Attack 50.
test("a text never becomes a path, an argument or a part of a request", () => {
  const holes = { x: text };
  const x = { hole: "x" };
  expect(checked(lines({ contains: x, holes }))).toBe("accepted");
  for (const hole of [text, maybe]) {
    const careless: Source[] = [
      lines({ path: ["/var/log/", x], holes: { x: hole } }),
      // As a path and as a text at once.
      lines({ path: ["/var/log/", x], contains: x, holes: { x: hole } }),
      { kind: "file", path: ["/var/log/", x], holes: { x: hole }, ...limits },
      { kind: "exec", command: "ls", argv: [x], holes: { x: hole }, ...limits },
      { kind: "http", socket: "/run/x.sock", path: ["/", x], holes: { x: hole }, ...limits },
      {
        kind: "http",
        socket: "/run/x.sock",
        path: "/",
        query: { x },
        holes: { x: hole },
        ...limits,
      },
    ];
    expect(careless.map(checked)).toEqual(careless.map(() => "MANIFEST_INVALID"));
  }
});

test("each setting has its type, within its limits", () => {
  const x = { hole: "x" };
  const integer: Hole = { type: "integer", minimum: 1, maximum: 100 };
  expect(checked(lines({ newest: x, holes: { x: integer } }))).toBe("accepted");
  for (const source of [
    lines({ newest: x, holes: { x: text } }),
    lines({ newest: x, holes: { x: { ...integer, minimum: 0 } } }),
    lines({ newest: x, holes: { x: { ...integer, maximum: 10_001 } } }),
    lines({ contains: x, holes: { x: { type: "unit-name" } } }),
    lines({ contains: "a", ignoreCase: x, holes: { x: text } }),
    lines({ contains: x }),
    lines({ holes: { x: text } }),
    lines({ ignoreCase: true }),
    lines({ path: "/etc/sonde/agent.json" }),
    lines({ path: "/proc/self/environ" }),
    tree("/proc"),
    tree("/etc/sonde"),
    tree("var/log"),
  ]) {
    expect(checked(source)).toBe("MANIFEST_INVALID");
  }
  expect(checked(tree("/var/log"))).toBe("accepted");
});

test("a search needs a grant for all that it searches, and covers the tail of the same file", () => {
  const windowsOf = (it: Source) => deriveWindows({ it });
  const searched = windowsOf(lines({ contains: "a" }));
  expect(searched).toEqual([{ of: "file /var/log/app.log", part: "last", bytes: 65_536 }]);
  const tail: Source = { kind: "file", path: "/var/log/app.log", tailBytes: 1024, ...limits };
  expect(widerWindows(windowsOf(tail), searched)).toEqual([]);
  expect(widerWindows(searched, windowsOf(tail))).toEqual(searched);
  expect(widerWindows(windowsOf(lines({ newest: 1 })), searched)).toEqual([]);
});

test("a list of files grants nothing of what is in them", () => {
  const path: Hole = { type: "path-beneath", root: "/var/log" };
  const below = lines({ path: [{ hole: "x" }], holes: { x: path } });
  expect(deriveRequires({ a: tree("/var/log"), b: below }).files).toEqual([
    "/var/log/**",
    "/var/log/**/",
  ]);
});

test("a person sees what is searched, and what a caller may choose", () => {
  const source = lines({
    ...{ newest: { hole: "n" }, contains: { hole: "x" }, ignoreCase: { hole: "any" } },
    holes: { n: { type: "integer", minimum: 1, maximum: 9 }, x: text, any: { type: "boolean" } },
  });
  expect(describeRead(source)).toBe(
    "file /var/log/app.log (newest <n> lines with <x>, letter case ignored: <any>, of the last 65536 bytes)",
  );
  const values = { n: "3", x: "a b\u00e9", any: "true" };
  expect(describeRead({ name: "it", source, values })).toBe(
    'file /var/log/app.log (newest 3 lines with "a b\\u00e9", letter case ignored: true, of the last 65536 bytes)',
  );
  expect(describeRead(lines())).toBe(
    "file /var/log/app.log (newest 10 lines, of the last 65536 bytes)",
  );
});
