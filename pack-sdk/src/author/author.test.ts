import type { SourceKind, ValueSchema as ManifestValueSchema } from "@sonde/schemas/manifest";
import { SOURCE_KINDS, checkValueSchema } from "@sonde/schemas/manifest";
import type { ReadDataByKind } from "@sonde/schemas/reads";
import { expect, expectTypeOf, test } from "vitest";
import {
  hole,
  type Infer,
  pack,
  param,
  probe,
  read,
  source,
  t,
  type ValueSchema,
} from "./index.ts";
import type { DataByKind } from "./read.ts";

const meminfo = source.file({ path: "/proc/meminfo" });
const stat = source.file({ path: "/proc/stat", samples: { count: 2, intervalMs: 500 } });
const logs = source.exec({
  command: "journalctl",
  argv: [
    "--unit",
    hole.unitName("unit"),
    "--lines",
    hole.integer("lines", { minimum: 1, maximum: 100 }),
  ],
});
const inspect = source.http({
  socket: "/var/run/docker.sock",
  path: ["/containers/", hole.containerName("name"), "/json"],
  query: { size: hole.boolean("size") },
});

const anything = { description: "A probe of this test.", reads: { mem: meminfo } };

test("the vocabulary emits what the manifest accepts", () => {
  const schema = t.object({
    name: t.string({ description: "who" }),
    count: t.integer({ minimum: 0 }),
    share: t.optional(t.number()),
    tags: t.array(t.nullable(t.boolean()), { maxItems: 3 }),
    sizes: t.record(t.integer(), { maxProperties: 10 }),
  });
  expectTypeOf<Infer<typeof schema>>().toEqualTypeOf<{
    name: string;
    count: number;
    share?: number;
    tags: (boolean | null)[];
    sizes: Record<string, number>;
  }>();
  expectTypeOf<ValueSchema>().toEqualTypeOf<ManifestValueSchema>();
  expect(() => checkValueSchema(schema.schema, "result")).not.toThrow();
  expect(schema.schema).toEqual({
    type: "object",
    properties: {
      name: { type: "string", description: "who" },
      count: { type: "integer", minimum: 0 },
      share: { type: "number" },
      tags: {
        type: "array",
        items: { anyOf: [{ type: "boolean" }, { type: "null" }] },
        maxItems: 3,
      },
      sizes: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 10 },
    },
    required: ["name", "count", "tags", "sizes"],
    additionalProperties: false,
  });
});

test("params, reads and result of a probe are inferred", () => {
  const inferred = probe({
    ...anything,
    params: t.object({ unit: t.enumOf(["kb", "mb"]), top: t.optional(t.integer()) }),
    result: t.object({ total: t.integer() }),
    reads: {
      mem: meminfo,
      stat,
      maybe: read(meminfo, { optional: true }),
      box: read(inspect, { with: { name: param("unit"), size: true } }),
    },
    run({ params, reads, now }) {
      expectTypeOf(params).toEqualTypeOf<{ unit: "kb" | "mb"; top?: number }>();
      expectTypeOf(reads.mem.text).toEqualTypeOf<string>();
      expectTypeOf(reads.mem.at).toEqualTypeOf<number>();
      expectTypeOf(reads.stat.samples.length).toEqualTypeOf<2>();
      expectTypeOf(reads.stat.samples[1].text).toEqualTypeOf<string>();
      expectTypeOf(reads.box.status).toEqualTypeOf<number>();
      // @ts-expect-error an optional read must be checked for success first
      expectTypeOf(reads.maybe.text).toEqualTypeOf<string>();
      if (reads.maybe.ok) expectTypeOf(reads.maybe.text).toEqualTypeOf<string>();
      else expectTypeOf(reads.maybe.failure.code).toEqualTypeOf<string>();
      // @ts-expect-error the read is not declared
      expectTypeOf(reads.other).toEqualTypeOf<undefined>();
      return { total: now };
    },
  });
  expect(inferred.capability).toBe("observe");
});

test("a wrong result does not compile", () => {
  const result = t.object({ total: t.integer(), disks: t.array(t.object({ name: t.string() })) });
  const probes = [
    probe({ ...anything, result, run: () => ({ total: 1, disks: [{ name: "a" }] }) }),
    // @ts-expect-error a property is missing
    probe({ ...anything, result, run: () => ({ total: 1 }) }),
    // @ts-expect-error a property has another type
    probe({ ...anything, result, run: () => ({ total: "1", disks: [] }) }),
    // @ts-expect-error a nested property has another type
    probe({ ...anything, result, run: () => ({ total: 1, disks: [{ name: 1 }] }) }),
    // @ts-expect-error a property that was not promised
    probe({ ...anything, result, run: () => ({ total: 1, disks: [], more: 1 }) }),
    // @ts-expect-error a nested property that was not promised
    probe({ ...anything, result, run: () => ({ total: 1, disks: [{ name: "a", more: 1 }] }) }),
    // @ts-expect-error a Promise is not a result
    probe({ ...anything, result, run: async () => ({ total: 1, disks: [] }) }),
    // @ts-expect-error undefined is not a result
    probe({ ...anything, result, run: () => {} }),
  ];
  expect(probes).toHaveLength(8);
});

test("a source declares its holes in place", () => {
  expect(logs.declaration).toEqual({
    kind: "exec",
    command: "journalctl",
    argv: ["--unit", { hole: "unit" }, "--lines", { hole: "lines" }],
    timeoutMs: 5000,
    maxBytes: 262144,
    holes: { unit: { type: "unit-name" }, lines: { type: "integer", minimum: 1, maximum: 100 } },
  });
  expect(() => source.file({ path: ["/a/", hole.boolean("x"), hole.boolean("x")] })).toThrow(
    /x twice/,
  );
});

const listed = source.directory({ path: "/etc/app.d" });
const chosen = source.file({ path: [hole.pathBeneath("file", "/etc/app.d")] });
const each = { read: "list", at: "entries.*.name", hole: "file", atMost: 5 };

test("a read for each value has a list, in which each may have failed", () => {
  const found: unknown[] = [];
  const many = probe({
    ...anything,
    result: t.object({}),
    reads: {
      list: listed,
      files: read(chosen, { forEach: each }),
      maybe: read(chosen, { forEach: each, optional: true }),
    },
    run({ reads }) {
      expectTypeOf(reads.files.leftOutCount).toEqualTypeOf<number>();
      for (const file of reads.files.each) {
        expectTypeOf(file.value).toEqualTypeOf<string>();
        // @ts-expect-error each must be checked for success first
        expectTypeOf(file.text).toEqualTypeOf<string>();
        if (file.ok) expectTypeOf(file.text).toEqualTypeOf<string>();
        else expectTypeOf(file.failure.code).toEqualTypeOf<string>();
      }
      // @ts-expect-error an optional read must be checked for success first
      expectTypeOf(reads.maybe.leftOutCount).toEqualTypeOf<number>();
      if (reads.maybe.ok) expectTypeOf(reads.maybe.unfitCount).toEqualTypeOf<number>();
      found.push(reads.files, reads.maybe);
      return {};
    },
  });
  const file = { value: "/etc/app.d/a", outcome: outcome({ text: "a" }) };
  const lost = { value: "/etc/app.d/b", outcome: failed };
  const files = { ok: true as const, each: [file, lost], leftOutCount: 3, unfitCount: 1 };
  const list = outcome({ entries: [] });
  const call = (reads: Parameters<typeof many.call>[0]["reads"]) =>
    many.call({ params: {}, now: 0, reads: { list, files, maybe: failed, ...reads } });
  call({});
  expect(found).toEqual([
    {
      each: [
        { value: file.value, ok: true, text: "a", at: 5, truncated: false },
        { value: lost.value, ...failed },
      ],
      leftOutCount: 3,
      unfitCount: 1,
    },
    failed,
  ]);
  expect(() => call({ files: list })).toThrow(/expected an outcome for each value/);
  expect(() => call({ list: files })).toThrow(/expected one outcome/);
  expect(() => call({ files: failed })).toThrow(/READ_FAILED/);
  const described = pack({
    ...{ name: "acme/each", version: "1.0.0", description: "A pack of this test." },
    ...{ license: "MIT", repository: "https://example.com/each" },
    sources: { listed, chosen },
    probes: { many },
  }).definition;
  expect(described.probes["many"]).toMatchObject({
    reads: { files: { source: "chosen", forEach: each } },
  });
});

const seen: unknown[] = [];
const made = pack({
  name: "acme/hello",
  version: "1.2.3",
  description: "A pack of this test.",
  license: "MIT",
  repository: "https://example.com/hello",
  groups: ["adm"],
  sources: { meminfo, stat, inspect },
  probes: {
    "memory.usage": probe({
      ...anything,
      params: t.object({ name: t.string() }),
      result: t.object({}),
      reads: {
        mem: meminfo,
        both: stat,
        maybe: read(inspect, {
          with: { name: param("name"), size: param("size", false) },
          optional: true,
        }),
      },
      run({ reads }) {
        seen.push(reads);
        return {};
      },
    }),
  },
});

test("a pack describes itself with sources by name", () => {
  expect(made.definition).toMatchObject({
    name: "acme/hello",
    engines: { agent: "^0.1.0" },
    groups: ["adm"],
    sources: { meminfo: { kind: "file", path: "/proc/meminfo" } },
    probes: {
      "memory.usage": {
        capability: "observe",
        reads: {
          mem: { source: "meminfo" },
          both: { source: "stat" },
          maybe: {
            source: "inspect",
            with: { name: { param: "name" }, size: { param: "size", otherwise: false } },
            optional: true,
          },
        },
      },
    },
  });
});

test("a source that the pack does not list cannot be described", () => {
  const lonely = pack({
    name: "acme/hello",
    version: "1.0.0",
    description: "A pack of this test.",
    license: "MIT",
    repository: "https://example.com/hello",
    sources: {},
    probes: { a: probe({ ...anything, result: t.object({}), run: () => ({}) }) },
  });
  expect(() => lonely.definition).toThrow(/source of read mem/);
});

const look = (data: object) => ({ at: 5, truncated: false, data });
const outcome = (...data: object[]) => ({ ok: true as const, samples: data.map(look) });
const failed = { ok: false as const, failure: { code: "READ_FAILED", message: "no" } };

test("run receives each read in its declared form", () => {
  const reads = {
    mem: outcome({ text: "m" }),
    both: outcome({ text: "1" }, { text: "2" }),
    maybe: failed,
  };
  made.run("memory.usage", { params: { name: "x" }, reads, now: 7 });
  expect(seen.pop()).toEqual({
    mem: { text: "m", at: 5, truncated: false },
    both: {
      samples: [
        { text: "1", at: 5, truncated: false },
        { text: "2", at: 5, truncated: false },
      ],
    },
    maybe: failed,
  });
});

test.each([
  [/READ_FAILED/, { mem: failed, both: outcome({}, {}), maybe: failed }],
  [/2 samples, got 1/, { mem: outcome({}), both: outcome({}), maybe: failed }],
  [/every read/, { mem: outcome({}), maybe: failed }],
])("reads that do not fit fail the call: %s", (message, reads) => {
  expect(() => made.run("memory.usage", { params: {}, reads, now: 7 })).toThrow(message);
});

test("an unknown probe fails the call", () => {
  expect(() => made.run("constructor", { params: {}, reads: {}, now: 7 })).toThrow(/probe/);
});

test("every kind of source can be declared, and its data has the agent's types", () => {
  expect(Object.keys(source).toSorted()).toEqual(SOURCE_KINDS.toSorted());
  expectTypeOf<keyof DataByKind>().toEqualTypeOf<SourceKind>();
  expectTypeOf<ReadDataByKind>().toExtend<DataByKind>();
});
