import type { Manifest } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { buildSampleManifest } from "../testing/sample-pack.ts";
import { deriveRequires } from "@sonde/sources";
import { diffPermissions, findPrevious } from "./diff-permissions.ts";

const NOTHING = { groups: [], commands: [], files: [], sockets: [] };
const limits = { timeoutMs: 500, maxBytes: 4096 };
const before = buildSampleManifest();
const [greet] = Object.values(before.probes);
/** The next version, with these sources and the requirements that follow from them. */
const next = (sources: Manifest["sources"], probes = before.probes): Manifest =>
  buildSampleManifest({
    version: "1.1.0",
    sources,
    probes,
    requires: { groups: [], ...deriveRequires(sources) },
  });

test("an equal version asks for nothing more", () => {
  const diff = diffPermissions(before, next(before.sources));
  expect(diff).toEqual({
    from: "1.0.0",
    to: "1.1.0",
    added: NOTHING,
    removed: NOTHING,
    wider: [],
    probes: { added: [], removed: [], changed: [], raised: [] },
    sources: { added: [], removed: [], changed: [] },
    asksMore: false,
  });
});

test("everything in a first version is new", () => {
  const diff = diffPermissions(null, before);
  expect(diff).toMatchObject({ from: null, asksMore: true, added: before.requires });
  expect(diff.probes.added).toEqual(["greet"]);
  expect(diff.sources.added).toEqual(["load"]);
});

test("a further file, command or socket is asked for, and a dropped one is not", () => {
  const diff = diffPermissions(
    before,
    next({
      up: { kind: "file", path: "/proc/uptime", ...limits },
      list: { kind: "exec", command: "df", argv: ["-P"], ...limits },
      ask: { kind: "http", socket: "/run/docker.sock", path: "/info", ...limits },
    }),
  );
  expect(diff.added).toEqual({
    groups: [],
    commands: ["df -P"],
    files: ["/proc/uptime"],
    sockets: ["/run/docker.sock GET /info"],
  });
  expect(diff.removed.files).toEqual(["/proc/loadavg"]);
  expect(diff.sources).toEqual({ added: ["ask", "list", "up"], removed: ["load"], changed: [] });
  expect(diff.asksMore).toBe(true);
});

test("another or a larger part of the same file is asked for, a smaller one is not", () => {
  const load = { kind: "file", path: "/proc/loadavg", ...limits } as const;
  const widerOf = (from: object, to: object) => {
    const diff = diffPermissions(
      next({ load: { ...load, ...from } }),
      next({ load: { ...load, ...to } }),
    );
    expect(diff.asksMore).toBe(diff.wider.length > 0);
    return diff.wider.map(({ part, bytes }) => `${part} ${bytes}`);
  };
  expect(widerOf({}, {})).toEqual([]);
  expect(widerOf({}, { maxBytes: 4095 })).toEqual([]);
  expect(widerOf({}, { maxBytes: 4097 })).toEqual(["first 4097"]);
  expect(widerOf({}, { tailBytes: 10 })).toEqual(["last 10"]);
  expect(widerOf({ tailBytes: 10 }, {})).toEqual(["first 4096"]);
  expect(widerOf({ tailBytes: 10 }, { tailBytes: 11 })).toEqual(["last 11"]);
  expect(widerOf({ tailBytes: 10 }, { tailBytes: 9 })).toEqual([]);
  // The cap is what is read, whatever the tail says.
  expect(widerOf({ tailBytes: 10, maxBytes: 5 }, { tailBytes: 99, maxBytes: 5 })).toEqual([]);
});

test("more entries of the same directory are asked for", () => {
  const list = { kind: "directory", path: "/proc", names: "numeric", ...limits } as const;
  const less = next({ load: { ...list, maxEntries: 10 } });
  const more = next({ load: { ...list, maxEntries: 11 } });
  expect(diffPermissions(less, more).wider).toMatchObject([{ of: "file /proc", entries: 11 }]);
  expect(diffPermissions(more, less)).toMatchObject({ wider: [], asksMore: false });
});

test("the widest of several reads of one file is what was granted", () => {
  const load = { kind: "file", path: "/proc/loadavg", ...limits } as const;
  const two = next({ load, again: { ...load, maxBytes: 9000 } });
  expect(diffPermissions(two, next({ load: { ...load, maxBytes: 8999 } })).asksMore).toBe(false);
  expect(diffPermissions(two, next({ load: { ...load, maxBytes: 9001 } })).asksMore).toBe(true);
});

test("a group is asked for", () => {
  const after = next(before.sources);
  const grouped = { ...after, requires: { ...after.requires, groups: ["docker"] } };
  expect(diffPermissions(before, grouped)).toMatchObject({
    added: { groups: ["docker"] },
    asksMore: true,
  });
});

test("the sources decide the level; a longer deadline asks for nothing more", () => {
  if (greet === undefined) throw new Error("expected a probe");
  const stop = { load: { kind: "exec", command: "systemctl", argv: ["stop", "x"], ...limits } };
  const raised = diffPermissions(before, next(stop as Manifest["sources"]));
  expect(raised.probes.raised).toEqual([{ probe: "greet", from: "observe", to: "manage" }]);
  expect(raised.sources.changed).toEqual(["load"]);
  const labelled = { greet, other: { ...greet, capability: "interact" } } as Manifest["probes"];
  expect(diffPermissions(before, next(before.sources, labelled))).toMatchObject({
    probes: { added: ["other"] },
    asksMore: true,
  });
  const longer = { load: { ...before.sources["load"], timeoutMs: 900 } } as Manifest["sources"];
  expect(diffPermissions(before, next(longer))).toMatchObject({
    sources: { changed: ["load"] },
    asksMore: false,
  });
});

test("a probe that repeats a read for other values is named, though nothing more is asked for", () => {
  if (greet === undefined) throw new Error("expected a probe");
  const [[name, read] = []] = Object.entries(greet.reads);
  if (name === undefined) throw new Error("expected a read");
  const forEach = { read: name, at: "entries.*.name", hole: "it", atMost: 8 };
  const repeated = { greet: { ...greet, reads: { [name]: { ...read, forEach } } } };
  expect(
    diffPermissions(before, next(before.sources, repeated as Manifest["probes"])),
  ).toMatchObject({
    probes: { added: [], changed: ["greet"], raised: [] },
    sources: { changed: [] },
    asksMore: false,
  });
});

test("the previous version is the newest older one, whenever it was published", () => {
  const versions = ["1.0.0", "2.0.0", "1.10.0", "1.9.0", "1.10.1-beta.1"];
  expect(findPrevious(versions, "1.10.1")).toBe("1.10.1-beta.1");
  expect(findPrevious(versions, "1.10.0")).toBe("1.9.0");
  expect(findPrevious(versions, "0.9.0")).toBeNull();
  expect(findPrevious([], "1.0.0")).toBeNull();
});
