import { SondeError } from "@sonde/schemas/errors";
import type { ForEach, Manifest, Read, Source } from "@sonde/schemas/manifest";
import { deriveRequires } from "@sonde/sources";
import { expect, test } from "vitest";
import { buildSampleManifest } from "../testing/index.ts";
import { checkManifest } from "./index.ts";

const limits = { timeoutMs: 500, maxBytes: 4096 };
const folder: Source = {
  ...{ kind: "directory", path: "/etc/app.d", names: "all", maxEntries: 100 },
  ...limits,
};
const text: Source = {
  ...{ kind: "file", path: ["", { hole: "it" }].slice(1) as [{ hole: string }], ...limits },
  holes: { it: { type: "path-beneath", root: "/etc/app.d" } },
};
const forEach: ForEach = { read: "list", at: "entries.*.name", hole: "it", atMost: 10 };

/** A manifest whose probe lists a folder and reads a file for each name. */
function build(
  changes: {
    each?: Partial<ForEach>;
    source?: Source;
    finder?: Source;
    read?: Partial<Read>;
    more?: Record<string, Read>;
    manifest?: 1 | 2;
  } = {},
): Manifest {
  const sources = { list: changes.finder ?? folder, text: changes.source ?? text };
  const files = { source: "text", forEach: { ...forEach, ...changes.each }, ...changes.read };
  const greet = buildSampleManifest().probes["greet"] as Manifest["probes"][string];
  return buildSampleManifest({
    manifest: changes.manifest ?? 2,
    sources,
    requires: { groups: ["systemd-journal"], ...deriveRequires(sources) },
    probes: { greet: { ...greet, reads: { list: { source: "list" }, files, ...changes.more } } },
  });
}

function verdict(manifest: Manifest): string {
  try {
    checkManifest(manifest);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? `${error.code} ${error.message}` : String(error);
  }
}

const exec = (hole: NonNullable<Source["holes"]>[string], ...argv: string[]): Source => ({
  ...{ kind: "exec", command: "systemctl", argv: [...argv, { hole: "it" }], ...limits },
  holes: { it: hole },
});

test("a file for each name of a folder is accepted", () => {
  expect(verdict(build())).toBe("accepted");
});

test("a pack has the number 2 when a read has forEach, and only then", () => {
  expect(verdict(build({ manifest: 1 }))).toContain("manifest: expected 2, got 1");
  const plain = buildSampleManifest({ manifest: 2 });
  expect(verdict(plain)).toContain("manifest: expected 1, got 2");
});

test.each<[string, Parameters<typeof build>[0], RegExp]>([
  ["a read that the probe lacks", { each: { read: "other" } }, /done once, got other/],
  ["itself", { each: { read: "files" } }, /done once, got files/],
  [
    "a read that has forEach too",
    {
      each: { read: "inner" },
      more: { inner: { source: "text", forEach: { ...forEach, atMost: 1 } } },
    },
    /done once, got inner/,
  ],
  [
    "several samples",
    { finder: { ...folder, samples: { count: 2, intervalMs: 100 } } },
    /one sample of list/,
  ],
  ["a place that the data lacks", { each: { at: "entries.*.title" } }, /expected a value in what/],
  ["a list", { each: { at: "entries" } }, /expected a value in what/],
  ["an object", { each: { at: "entries.*" } }, /expected a value in what/],
  ["a member of a list", { each: { at: "entries.name" } }, /expected a value in what/],
  ["an inherited name", { each: { at: "constructor.name" } }, /expected a value in what/],
  ["a hole that the source lacks", { each: { hole: "other" } }, /nothing else fills, got other/],
  [
    "a hole that has a value",
    { read: { with: { it: { value: "a" } } } },
    /nothing else fills, got it/,
  ],
  [
    "a long text of values",
    {
      each: { at: "stdout.*.name" },
      finder: {
        ...exec({ type: "enum", values: ["a"] }),
        argv: [],
        holes: {},
        maxBytes: 1048577,
      } as Source,
    },
    /at most 1048576 bytes of list/,
  ],
  ["too many bytes", { source: { ...text, maxBytes: 838861 } }, /at most 8388608 bytes/],
  [
    "too many values in all",
    { more: { again: { source: "text", forEach: { ...forEach, atMost: 91 } } } },
    /at most 100 values in a probe, got 101/,
  ],
])("refused: values of %s", (_what, changes, message) => {
  expect(verdict(build(changes))).toMatch(/^MANIFEST_INVALID /);
  expect(verdict(build(changes))).toMatch(message);
});

const answers = { dns: { server: "resolver", type: "A", name: { hole: "it" } } } as const;

test.each<[string, Source]>([
  [
    "asks a name server",
    { kind: "dns", ...answers.dns, ...limits, holes: { it: { type: "dns-name" } } },
  ],
  [
    "connects to a host",
    { kind: "tls", endpoint: { hole: "it" }, ...limits, holes: { it: { type: "endpoint" } } },
  ],
  [
    "looks a host up",
    { ...exec({ type: "hostname" }, "hosts", "--"), command: "getent" } as Source,
  ],
  [
    "searches a text",
    {
      ...{ kind: "lines", path: "/var/log/app", newest: 9, contains: { hole: "it" }, ...limits },
      ...{ searchBytes: 4096, holes: { it: { type: "text", maxLength: 50 } } },
    },
  ],
  [
    "leaves a part out without a value",
    {
      ...{ kind: "journal", show: "rows", newest: 9, unit: { hole: "it" }, ...limits },
      holes: { it: { type: "unit-name", optional: true } },
    },
  ],
])("attack 45: no value that was read fills a hole of a source that %s", (_what, source) => {
  expect(verdict(build({ source }))).toMatch(/MANIFEST_INVALID .*expected a hole for the name/);
});

test("attack 45: no value that was read goes to another host, also in a hole for names of things", () => {
  const source: Source = {
    ...{ kind: "dns", server: "resolver", type: { hole: "it" }, name: "a.example", ...limits },
    holes: { it: { type: "enum", values: ["A", "AAAA"] } },
  };
  expect(verdict(build({ source }))).toMatch(/expected a source that stays on the host/);
});

test("attack 45: nothing that changes a host is done for a value that nobody chose", () => {
  const source = exec({ type: "unit-name" }, "restart", "--");
  expect(verdict(build({ source }))).toMatch(
    /expected a source that only looks, got one that is manage/,
  );
});

test("a number above 2 needs a newer agent", () => {
  expect(verdict({ ...build(), manifest: 3 } as unknown as Manifest)).toMatch(
    /^PACK_NEEDS_NEWER_AGENT /,
  );
});
