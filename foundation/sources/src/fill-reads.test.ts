import { SondeError } from "@sonde/schemas/errors";
import { type Hole, type HoleValue, type Manifest, type Source } from "@sonde/schemas/manifest";
import { describeRead } from "./describe-read.ts";
import { expect, test } from "vitest";
import { planReads } from "./fill-reads.ts";

const limits = { timeoutMs: 1000, maxBytes: 1000 };

function manifestWith(source: Source, filling?: Record<string, HoleValue>): Manifest {
  return {
    manifest: 1,
    name: "acme/demo",
    version: "1.0.0",
    description: "A pack for tests.",
    license: "Apache-2.0",
    repository: "https://example.org/demo",
    engines: { agent: ">=0.1.0" },
    sources: { it: source },
    requires: { groups: [], commands: [], files: [], sockets: [] },
    probes: {
      ask: {
        description: "Asks one thing.",
        capability: "observe",
        params: { type: "object", properties: {}, required: [], additionalProperties: false },
        result: { type: "object", properties: {}, required: [], additionalProperties: false },
        reads: { one: filling === undefined ? { source: "it" } : { source: "it", with: filling } },
      },
    },
  };
}

function fillOne(hole: Hole, value: unknown): string | undefined {
  const source: Source = {
    kind: "exec",
    command: "df",
    argv: ["--", { hole: "h" }],
    ...limits,
    holes: { h: hole },
  };
  const reads = planReads(manifestWith(source, { h: { param: "p" } }), "ask", { p: value }).now;
  return reads[0]?.values["h"];
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SondeError ? error.code : String(error);
  }
  return "no error";
}

const path: Hole = { type: "path-beneath", root: "/var/log" };
const holes = {
  integer: { type: "integer", minimum: 1, maximum: 10 },
  enum: { type: "enum", values: ["all", "v1.2"] },
  boolean: { type: "boolean" },
  hostname: { type: "hostname" },
  unit: { type: "unit-name" },
  container: { type: "container-name" },
  path,
} as const satisfies Record<string, Hole>;

test.each([
  [holes.integer, 1, "1"],
  [holes.integer, 10, "10"],
  [holes.enum, "v1.2", "v1.2"],
  [holes.boolean, false, "false"],
  [holes.hostname, "db-1.example.org", "db-1.example.org"],
  [holes.unit, "getty@tty1.service", "getty@tty1.service"],
  [holes.unit, "dev-disk-by\\x2duuid.device", "dev-disk-by\\x2duuid.device"],
  [holes.container, "web_1", "web_1"],
  [path, "nginx/access.log", "/var/log/nginx/access.log"],
  [path, "/var/log/my app/x.log", "/var/log/my app/x.log"],
])("%o takes %j", (hole, value, filled) => {
  expect(fillOne(hole, value)).toBe(filled);
});

const hostile = [
  "-rf",
  "--output=/x",
  "@file",
  "a\0b",
  "a\nb",
  "$(id)",
  "`id`",
  "*",
  "..",
  ".",
  "../x",
  "a/../../etc/shadow",
  "/etc/shadow",
  "/var/logs/x",
  "/var/log/",
  "/var/log//x",
  "/var/log/./x",
  "/var/log",
  "\u202Egnp",
  "\u0430bc",
  "",
  " ",
  "x".repeat(1_000_000),
  "\u001B]0;x\u0007",
  null,
  undefined,
  {},
  ["a"],
  Number.NaN,
  1.5,
  0,
  11,
  "1",
  "true",
  2 ** 60,
  { toString: () => "all" },
];

// Attack 50.
test("no hole takes a hostile value", () => {
  const taken = Object.entries(holes).flatMap(([name, hole]) =>
    hostile
      .filter((value) => codeOf(() => fillOne(hole, value)) !== "PARAMS_INVALID")
      .map((value) => `${name}: ${JSON.stringify(value)}`),
  );
  // The values that remain are ordinary names, harmless where they are used.
  expect(taken).toEqual([
    'hostname: "1"',
    'hostname: "true"',
    'unit: "1"',
    'unit: "true"',
    'container: "1"',
    'container: "true"',
    'path: "@file"',
    'path: " "',
    'path: "1"',
    'path: "true"',
  ]);
});

// Attack 50.
test("a value that starts an option is refused even where its grammar would allow it", () => {
  expect(codeOf(() => fillOne(path, "-rf"))).toBe("PARAMS_INVALID");
  const enumeration: Hole = { type: "enum", values: ["-delete"] };
  expect(codeOf(() => fillOne(enumeration, "-delete"))).toBe("PARAMS_INVALID");
});

test("the bound holds for the whole path, root included", () => {
  expect(fillOne(path, "abcd/".repeat(58) + "e")).toHaveLength(300);
  expect(codeOf(() => fillOne(path, `${"abcd/".repeat(58)}ef`))).toBe("PARAMS_INVALID");
});

test("an absent optional parameter takes `otherwise`; a literal is checked as well", () => {
  const source: Source = {
    kind: "http",
    socket: "/run/x.sock",
    path: ["/c/", { hole: "id" }, "/json"],
    query: { all: { hole: "all" }, fixed: "a b" },
    ...limits,
    holes: { id: { type: "container-name" }, all: { type: "boolean" } },
  };
  const filling = { id: { value: "web" }, all: { param: "all", otherwise: true } };
  const [read] = planReads(manifestWith(source, filling), "ask", {}).now;
  expect(read?.values).toEqual({ id: "web", all: "true" });
  expect(read && describeRead(read)).toBe(
    "GET /c/web/json?all=true&fixed=a%20b over unix:/run/x.sock",
  );
  const bad = { ...filling, id: { value: "../x" } };
  expect(codeOf(() => planReads(manifestWith(source, bad), "ask", {}))).toBe("PARAMS_INVALID");
});

// Attack 48.
test("names of prototype members find nothing", () => {
  const source: Source = { kind: "filesystem", ...limits };
  expect(codeOf(() => planReads(manifestWith(source), "constructor", {}))).toBe("PROBE_UNKNOWN");
  expect(codeOf(() => planReads(manifestWith(source), "__proto__", {}))).toBe("PROBE_UNKNOWN");
  const holed: Source = {
    kind: "file",
    path: [{ hole: "f" }],
    ...limits,
    holes: { f: holes.container },
  };
  const manifest = manifestWith(holed, { f: { param: "constructor" } });
  expect(codeOf(() => planReads(manifest, "ask", {}))).toBe("PARAMS_INVALID");
});

test("a manifest that contradicts itself is refused", () => {
  const source: Source = {
    kind: "file",
    path: [{ hole: "f" }],
    ...limits,
    holes: { f: holes.container },
  };
  expect(codeOf(() => planReads(manifestWith(source), "ask", {}))).toBe("MANIFEST_INVALID");
  const stray = manifestWith({ kind: "filesystem", ...limits }, { x: { value: 1 } });
  expect(codeOf(() => planReads(stray, "ask", {}))).toBe("MANIFEST_INVALID");
});

test("a read is described in one printable line, holes by name", () => {
  const samples = { count: 2, intervalMs: 500 };
  const lines = (
    [
      { kind: "file", path: "/proc/stat", samples, ...limits },
      { kind: "file", path: ["/var/log/", { hole: "f" }], tailBytes: 4096, ...limits },
      {
        kind: "directory",
        path: "/proc",
        names: "numeric",
        child: "stat",
        maxEntries: 10,
        ...limits,
      },
      { kind: "filesystem", ...limits },
      { kind: "exec", command: "df", argv: ["-P", "a b", "x\n\u202Ey", { hole: "m" }], ...limits },
      {
        kind: "http",
        socket: "/run/d.sock",
        path: ["/c/", { hole: "id" }],
        query: { all: { hole: "all" } },
        ...limits,
      },
    ] satisfies Source[]
  ).map((source) => describeRead(source));
  expect(lines).toEqual([
    "file /proc/stat (2 times, 500 ms apart)",
    "file /var/log/<f> (last 4096 bytes)",
    "directory /proc/[0-9]+/stat",
    "statfs of every mount",
    'exec df -P "a b" "x\\n\\u202ey" <m>',
    "GET /c/<id>?all=<all> over unix:/run/d.sock",
  ]);
});
