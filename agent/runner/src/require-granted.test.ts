import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { Hole } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { deriveRequires, deriveWindows } from "@sonde/sources";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGrantCheck } from "./require-granted.ts";

let folder: string;
let check: ReturnType<typeof createGrantCheck>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-grants-"));
  chmodSync(folder, 0o755);
  check = createGrantCheck(folder, [statSync(folder).uid], "none");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function grant(pack: string, files: string[], change: object = {}): void {
  const path = join(folder, `${pack.replace("/", "--")}.json`);
  const value = {
    ...{ pack, digest: `sha256:${"a".repeat(64)}` },
    requires: { groups: [], commands: [], sockets: [], files },
    windows: files.map((file) => ({ of: `file ${file}`, part: "first", bytes: 100 })),
    ...{ approvedBy: "root", approvedAt: "2026-01-01T00:00:00.000Z" },
    ...change,
  };
  writeFileSync(path, JSON.stringify(value));
  chmodSync(path, 0o644);
}

const file = (path: string, change: object = {}): FilledRead => ({
  name: "it",
  source: { kind: "file", path, timeoutMs: 500, maxBytes: 100, ...change },
  values: {},
});
const command: FilledRead = {
  name: "it",
  source: { kind: "exec", command: "df", argv: ["-P"], timeoutMs: 500, maxBytes: 9 },
  values: {},
};
function codeOf(...reads: FilledRead[]): string {
  try {
    check(reads);
    return "ok";
  } catch (thrown) {
    return thrown instanceof SondeError ? thrown.code : "thrown";
  }
}

test("a read that some grant covers is performed, and one that none covers is refused", () => {
  expect(codeOf(file("/a"))).toBe("READ_NOT_GRANTED");
  grant("acme/one", ["/a"]);
  grant("acme/two", ["/b"]);
  expect([codeOf(file("/a")), codeOf(file("/b")), codeOf(file("/a"), file("/b"))]).toEqual([
    ...["ok", "ok", "ok"],
  ]);
  for (const reads of [[file("/c")], [command], [file("/a"), file("/c")], [file("/a/")]]) {
    expect(codeOf(...reads)).toBe("READ_NOT_GRANTED");
  }
});

test("more of a file, or its other end, is refused", () => {
  grant("acme/one", ["/a"]);
  expect(codeOf(file("/a", { maxBytes: 99 }))).toBe("ok");
  expect(codeOf(file("/a", { maxBytes: 101 }))).toBe("READ_NOT_GRANTED");
  expect(codeOf(file("/a", { tailBytes: 10 }))).toBe("READ_NOT_GRANTED");
  grant("acme/one", ["/a"], { windows: undefined });
  expect(codeOf(file("/a", { maxBytes: 101 }))).toBe("ok");
});

// Attack 78.
test("a connection leads only where the grant of its pack names an endpoint", () => {
  const source: FilledRead["source"] = {
    ...{ kind: "tls", endpoint: { hole: "where" }, holes: { where: { type: "endpoint" } } },
    ...{ timeoutMs: 500, maxBytes: 100 },
  };
  const to = (where: string): FilledRead => ({ name: "it", source, values: { where } });
  const hosts = { groups: [], commands: [], sockets: [], files: [], hosts: ["<endpoint> TLS"] };
  const windows = [{ of: "host <endpoint> TLS", part: "first", bytes: 100 }];
  grant("acme/one", [], { requires: hosts, windows });
  expect(codeOf(to("shop.example:443"))).toBe("READ_NOT_GRANTED");
  grant("acme/one", [], { requires: hosts, windows, endpoints: ["shop.example:443"] });
  expect(codeOf(to("shop.example:443"))).toBe("ok");
  for (const where of ["shop.example:22", "other.example:443", "169.254.169.254:80", ""]) {
    expect(codeOf(to(where))).not.toBe("ok");
  }
  // Named for another pack.
  grant("acme/one", [], { requires: hosts, windows });
  grant("acme/two", ["/a"], { endpoints: ["shop.example:443"] });
  expect(codeOf(to("shop.example:443"))).toBe("READ_NOT_GRANTED");
});

test("what was withheld is refused, and each change of a grant counts at the next read", () => {
  grant("acme/one", ["/a", "/b"]);
  expect(codeOf(file("/b"))).toBe("ok");
  const nothing = { groups: [], commands: [], sockets: [], files: [] };
  grant("acme/one", ["/a"], { withheld: { ...nothing, files: ["/b"] } });
  expect([codeOf(file("/a")), codeOf(file("/b"))]).toEqual(["ok", "READ_NOT_GRANTED"]);
  chmodSync(join(folder, "acme--one.json"), 0o666);
  expect(codeOf(file("/a"))).toBe("READ_NOT_GRANTED");
  rmSync(folder, { recursive: true });
  expect(codeOf(file("/a"))).toBe("READ_NOT_GRANTED");
});

test.each<[Hole, string[], string[]]>([
  [{ type: "path-beneath", root: "/p" }, ["/p/a", "/p/a/b"], ["/p/../etc", "/etc", "a", "", "/p"]],
  [{ type: "integer", minimum: 0, maximum: 99 }, ["0", "10"], ["1e1", "100", "010", "", "1/../x"]],
  [{ type: "enum", values: ["a", "b"] }, ["a", "b"], ["c", "a/../c", ""]],
  [{ type: "boolean" }, ["true", "false"], ["TRUE", "yes", ""]],
  [{ type: "hostname" }, ["db-1.example"], ["-x", "a/b", ""]],
])("a granted read with a hole %j takes no value that fits it not", (hole, fit, misfit) => {
  const read = (...values: string[]): FilledRead[] =>
    values.map((h) => ({ ...file("/"), ...withHole(hole), values: { h } }));
  grant("acme/one", [], {
    requires: { groups: [], ...deriveRequires({ it: withHole(hole).source }) },
    windows: deriveWindows({ it: withHole(hole).source }),
  });
  expect(codeOf(...read(...fit))).toBe("ok");
  for (const value of misfit) expect(codeOf(...read(value)), value).toBe("PARAMS_INVALID");
  expect(codeOf({ ...file("/"), ...withHole(hole), values: {} })).toBe("PARAMS_INVALID");
});

/** A file whose path ends with a hole. */
function withHole(hole: Hole): Pick<FilledRead, "source"> {
  const path = hole.type === "path-beneath" ? [{ hole: "h" }] : ["/p/", { hole: "h" }];
  return { source: { kind: "file", path, holes: { h: hole }, timeoutMs: 500, maxBytes: 100 } };
}

test("without a folder nothing is refused here", () => {
  check = createGrantCheck(undefined, [], "none");
  expect(codeOf(file("/a"))).toBe("ok");
});

test("what the host lets a hub grant needs no grant of the host, and nothing else does not", () => {
  check = createGrantCheck(folder, [statSync(folder).uid], ["/proc", "read-only-commands"]);
  expect([codeOf(file("/proc/loadavg")), codeOf(command)]).toEqual(["ok", "ok"]);
  const socket: FilledRead = {
    ...{ name: "it", values: {} },
    source: { kind: "http", socket: "/run/x.sock", path: "/info", timeoutMs: 500, maxBytes: 9 },
  };
  const other: FilledRead = {
    ...command,
    source: { kind: "exec", command: "nginx", argv: ["-T"], timeoutMs: 500, maxBytes: 9 },
  };
  for (const read of [file("/sys/a"), file("/etc/hostname"), socket, other]) {
    expect(codeOf(read), read.source.kind).toBe("READ_NOT_GRANTED");
  }
});
