import { expect, test } from "vitest";
import { parseManifestShape } from "./manifest.ts";

function manifestWith(params: unknown): unknown {
  const empty = { type: "object", properties: {}, required: [], additionalProperties: false };
  return {
    manifest: 1,
    name: "acme/hello",
    version: "1.0.0",
    description: "A pack for this test.",
    license: "MIT",
    repository: "https://example.com/hello",
    engines: { agent: "^0.1.0" },
    sources: { load: { kind: "file", path: "/proc/loadavg", timeoutMs: 100, maxBytes: 1000 } },
    requires: { groups: [], commands: [], files: ["/proc/loadavg"], sockets: [] },
    probes: {
      greet: {
        description: "Says hello.",
        capability: "observe",
        params,
        result: empty,
        reads: { load: { source: "load" } },
      },
    },
  };
}

test("a manifest in the closed vocabulary is accepted", () => {
  const params = {
    type: "object",
    properties: { name: { anyOf: [{ type: "string" }, { type: "null" }] } },
    required: ["name"],
    additionalProperties: false,
  };
  expect(parseManifestShape(manifestWith(params)).name).toBe("acme/hello");
});

test.each([
  ["a pattern", { type: "string", pattern: "(a+)+$" }],
  ["a reference", { $ref: "#/x" }],
  ["a bare null", { type: "null" }],
])("%s in a params schema is refused", (_what, leaf) => {
  const params = {
    type: "object",
    properties: { name: leaf },
    required: [],
    additionalProperties: false,
  };
  expect(() => parseManifestShape(manifestWith(params))).toThrowError(
    expect.objectContaining({ code: "MANIFEST_INVALID" }),
  );
});

const limits = { timeoutMs: 100, maxBytes: 1000 };

/** The sentence that refuses a manifest with this source. */
function refusalOfSource(load: object): string {
  const params = { type: "object", properties: {}, required: [], additionalProperties: false };
  const manifest = { ...(manifestWith(params) as object), sources: { load } };
  try {
    parseManifestShape(manifest);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
}

test.each([
  [
    "an exec source is judged as one",
    { kind: "exec", command: "Uname", argv: [], ...limits },
    'pack.json at "sources/load/command": expected text like ^[a-z0-9][a-z0-9_.+-]{0,63}$',
  ],
  [
    "a member of another kind is named",
    { kind: "exec", command: "uname", argv: [], path: "/x", ...limits },
    'pack.json at "sources/load/path": expected no such member, the known ones are kind, command, argv, okExitCodes, timeoutMs, maxBytes, samples, holes',
  ],
  [
    "a kind that is missing",
    { path: "/proc/stat", ...limits },
    'pack.json at "sources/load": expected a member kind: one of "file", "lines", "directory", "tree", "filesystem", "exec", "http", "journal", "dns", "tls", "sql", "redis", "certificates"',
  ],
  [
    "a kind that nobody knows",
    { kind: "fyle", path: "/proc/stat", ...limits },
    'pack.json at "sources/load/kind": expected one of "file", "lines", "directory", "tree", "filesystem", "exec", "http", "journal", "dns", "tls", "sql", "redis", "certificates"',
  ],
  [
    "a command of Redis that is in no list",
    { kind: "redis", endpoint: "127.0.0.1:6379", command: "FLUSHALL", ...limits },
    'pack.json at "sources/load/command": expected one of "INFO", "SLOWLOG GET", "SLOWLOG LEN", "CLIENT LIST", "MEMORY STATS", "MEMORY DOCTOR", "LATENCY LATEST", "ROLE", "DBSIZE", "INFO server", "INFO clients", "INFO memory", "INFO persistence", "INFO stats", "INFO replication", "INFO cpu" and 37 more',
  ],
  [
    "a word of a closed list",
    { kind: "directory", path: "/proc", names: "some", maxEntries: 1, ...limits },
    'pack.json at "sources/load/names": expected one of "all", "numeric"',
  ],
  [
    "a hole of a certain type",
    {
      kind: "file",
      path: [{ hole: "n" }],
      holes: { n: { type: "integer", minimum: 0 } },
      ...limits,
    },
    'pack.json at "sources/load/holes/n": expected a member maximum',
  ],
  [
    "a part of a path",
    { kind: "file", path: ["/srv/", 7], ...limits },
    'pack.json at "sources/load/path/1": expected string, got number, or expected object, got number',
  ],
])("%s: the member that the author meant is named", (_what, source, sentence) => {
  expect(refusalOfSource(source)).toBe(sentence);
});

test("a schema of a type is judged as that type", () => {
  const params = {
    type: "object",
    properties: { name: { type: "array", items: { type: "string" }, maxItems: -1 } },
    required: [],
    additionalProperties: false,
  };
  expect(() => parseManifestShape(manifestWith(params))).toThrow(
    'pack.json at "probes/greet/params/properties/name/maxItems": expected a number from 0 to 100000',
  );
});
