import type { ForEach, Hole, Source } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { expect, test } from "vitest";
import { fillEach } from "./fill-each.ts";
import type { LaterRead } from "./fill-reads.ts";

const path: Hole = { type: "path-beneath", root: "/etc/app.d" };
const container: Hole = { type: "container-name" };
const pid: Hole = { type: "integer", minimum: 1, maximum: 4194304 };

const later = (hole: Hole, forEach: Partial<ForEach> = {}): LaterRead => {
  const source: Source = {
    ...{ kind: "exec", command: "cat", argv: ["--", { hole: "it" }, { hole: "unit" }] },
    ...{ holes: { it: hole, unit: { type: "unit-name" } }, timeoutMs: 100, maxBytes: 100 },
  };
  const how = { read: "list", at: "entries.*.name", hole: "it", atMost: 3, ...forEach };
  return { name: "files", source, values: { unit: "ssh.service" }, forEach: how };
};
const look = (data: object): RunnerOutcome =>
  ({ ok: true, samples: [{ at: 1, truncated: false, data }] }) as unknown as RunnerOutcome;
const named = (...names: unknown[]) => look({ entries: names.map((name) => ({ name })) });
const valuesOf = (read: LaterRead, outcome: RunnerOutcome) => {
  const filled = fillEach(read, outcome);
  return filled.ok ? filled.reads.map(({ value }) => value) : filled.failure.code;
};

test("a read is filled once for each value, with what the caller chose beside it", () => {
  expect(fillEach(later(path), named("a", "b"))).toEqual({
    ok: true,
    reads: ["a", "b"].map((name, index) => ({
      value: `/etc/app.d/${name}`,
      read: {
        name: `files.${index}`,
        source: later(path).source,
        values: { unit: "ssh.service", it: `/etc/app.d/${name}` },
      },
    })),
    leftOutCount: 0,
    unfitCount: 0,
  });
});

test("attack 50: a value that no caller could give is counted, and nothing is read for it", () => {
  const outside = ["../shadow", "/etc/shadow", "a/../../shadow", "", ".", "..", "-rf", "--help"];
  const hidden = ["a\n/etc/shadow", "a\0b", "a\u202eb", "a".repeat(400), "a//b", "~/\u0007"];
  const others = [7, null, true, { name: "a" }, ["a"], undefined];
  const wild = [...outside, ...hidden, ...others];
  expect(fillEach(later(path), named("good", ...wild))).toMatchObject({
    reads: [{ value: "/etc/app.d/good" }],
    unfitCount: wild.length,
    leftOutCount: 0,
  });
  const ids = ["../images", "a/b", "a?b=c", "a b", "a%2fb", "-x", "/version", "a".repeat(129)];
  expect(fillEach(later(container), named("web.1", ...ids))).toMatchObject({
    reads: [{ value: "web.1" }],
    unfitCount: ids.length,
  });
});

test("of very many values the first are looked at, and the rest is left out", () => {
  const names = Array.from({ length: 10_005 }, (_, index) => (index < 10_000 ? "../x" : "good"));
  expect(fillEach(later(path), named(...names))).toMatchObject({
    ...{ ok: true, reads: [], unfitCount: 10_000, leftOutCount: 5 },
  });
});

test("a value that was found twice is read once; what is above the most is counted", () => {
  expect(fillEach(later(path), named("a", "a", "b", "/etc/app.d/b", "c", "d", "e"))).toMatchObject({
    reads: [{ value: "/etc/app.d/a" }, { value: "/etc/app.d/b" }, { value: "/etc/app.d/c" }],
    leftOutCount: 2,
    unfitCount: 0,
  });
});

test("numbers are taken as numbers and as text, and only as the hole has them", () => {
  const names = ["12", 34, "007", "1e3", "0x10", "5000000", "-1", "0", 1.5, " 1", "1\n"];
  const filled = fillEach(later(pid), named(...names));
  expect(filled).toMatchObject({ reads: [{ value: "12" }, { value: "34" }], unfitCount: 9 });
});

test("a text on the way is JSON; a text within that is not", () => {
  const inBody = later(container, { at: "body.*.Id" });
  const body = (value: unknown) => look({ status: 200, body: JSON.stringify(value) });
  expect(valuesOf(inBody, body([{ Id: "a" }, { Id: "b" }]))).toEqual(["a", "b"]);
  const hostile = [{ Id: "a" }, '{"Id":"b"}', [], null, { id: "c" }, { Id: { Id: "d" } }];
  expect(fillEach(inBody, body(hostile))).toMatchObject({
    reads: [{ value: "a" }],
    unfitCount: 5,
  });
  expect(fillEach(inBody, body({ message: "no such" }))).toMatchObject({
    reads: [],
    unfitCount: 1,
  });
  expect(valuesOf(later(container, { at: "body.*" }), body(["a", "b"]))).toEqual(["a", "b"]);
  expect(valuesOf(later(container, { at: "body.__proto__.Id" }), body({}))).toEqual([]);
});

test("data in which nothing can be looked for is a failure, never an empty list", () => {
  const inBody = later(container, { at: "body.*.Id" });
  for (const body of ["", "not json", '[{"Id":"a"}', '{"a":1,"a":2}', "[".repeat(100_000)]) {
    expect(valuesOf(inBody, look({ status: 200, body })), body.slice(0, 20)).toBe("READ_FAILED");
  }
  const failure = { code: "PERMISSION_NEEDED", message: "no" } as const;
  expect(fillEach(inBody, { ok: false, failure })).toEqual({
    ok: false,
    failure: { code: "PERMISSION_NEEDED", message: "list: no" },
  });
});
