import { expect, test } from "vitest";
import { callSpans } from "./call-spans.ts";
import { readTraceparent } from "./traceparent.ts";

const AT = "2026-03-01T12:00:00.000Z";
const END = Date.parse(AT);
const within = { traceId: "1".repeat(32), spanId: "2".repeat(16) };
const TIMINGS = { checks: 1, reads: 2, scrub: 3, guest: 4, audit: 5, total: 20 };

function spansOf(change: object = {}) {
  let count = 0;
  const record = {
    ...({ at: AT, event: "call.response", status: "ok", code: null, durationMs: 40 } as const),
    ...{
      callId: "00000000-0000-4000-8000-000000000000",
      agent: "web-1",
      probe: "sonde/system.load",
    },
    detail: {
      hops: [
        { hop: "hub: authorize and check", ms: 1 },
        { hop: "hub: audit commit", ms: 3 },
        { hop: "hub: agent round trip", ms: 40 },
      ],
      timings: TIMINGS,
    },
    ...change,
  };
  return callSpans(record, within, { trace: () => "", span: () => `span-${count++}` });
}

const placed = (spans: ReturnType<typeof spansOf>) =>
  spans.map(({ name, startMs, endMs }) => [name, startMs - END, endMs - END]);

test("the steps of a call are laid out one after the other, up to its end", () => {
  expect(placed(spansOf())).toEqual([
    ["call", -44, 0],
    ["hub: authorize and check", -44, -43],
    ["hub: audit commit", -43, -40],
    ["hub: agent round trip", -40, 0],
    ["agent", -30, -10],
    ["agent: check", -30, -29],
    ["runner: read", -29, -27],
    ["agent: scrub", -27, -24],
    ["pack host: compute", -24, -20],
    ["agent: audit commit", -20, -15],
  ]);
});

test("an agent has no more time than its round trip, whatever it says", () => {
  const timings = { ...TIMINGS, reads: 1e9, scrub: -5, guest: 1e300, total: 1e300 };
  const { hops } = { hops: [] as [] };
  const spans = spansOf({ detail: { hops, timings } });
  for (const { name, startMs, endMs } of spans) {
    expect([startMs >= END - 40, endMs >= startMs, endMs <= END], name).toEqual([true, true, true]);
  }
});

test("a refused call is one span, without what the client wrote", () => {
  const spans = spansOf({
    ...{ event: "call.denied", status: "denied", code: "FORBIDDEN", durationMs: null },
    ...{ agent: "hunter2", probe: null, detail: { tool: "hunter2", reason: "hunter2" } },
  });
  expect(spans).toHaveLength(1);
  expect(spans[0]).toMatchObject({ isFailure: true, attributes: { "sonde.outcome": "FORBIDDEN" } });
  expect(JSON.stringify(spans)).not.toContain("hunter2");
});

test("other records are no calls", () => {
  expect(spansOf({ event: "call.request" })).toEqual([]);
});

test.each([
  [`00-${"a".repeat(32)}-${"b".repeat(16)}-01`, true],
  [`00-${"a".repeat(32)}-${"b".repeat(16)}-01-more`, false],
  [`01-${"a".repeat(32)}-${"b".repeat(16)}-01`, false],
  [`00-${"A".repeat(32)}-${"b".repeat(16)}-01`, false],
  [`00-${"0".repeat(32)}-${"b".repeat(16)}-01`, false],
  [`00-${"a".repeat(32)}-${"0".repeat(16)}-01`, false],
  ["", false],
  [undefined, false],
])("traceparent %s: %s", (header, isOne) => {
  expect(readTraceparent(header) !== null).toBe(isOne);
});
