import { expect, test } from "vitest";
import { createRecordCounts } from "./count-records.ts";
import { createRequestCounts } from "./count-requests.ts";
import { createCounter, createHistogram } from "./metrics.ts";
import { renderMetrics } from "./render-metrics.ts";

const RESPONSE = { event: "call.response", status: "ok", code: null } as const;

test("attack 40: what is counted has a bound, whatever names there are", () => {
  const counter = createCounter("c", "c", 3);
  const histogram = createHistogram({ name: "h", help: "h", label: "tool" }, 3);
  for (let index = 0; index < 1_000; index++) {
    counter.add({ code: `C${index}` });
    histogram.observe(`tool-${index}`, 1);
  }
  expect(counter.read().samples).toEqual([
    { labels: { code: "C0" }, value: 1 },
    { labels: { code: "C1" }, value: 1 },
    { labels: { code: "C2" }, value: 1 },
    { labels: { code: "others" }, value: 997 },
  ]);
  const counted = histogram.read().samples.filter(({ suffix }) => suffix === "_count");
  expect(counted.map(({ labels, value }) => [labels["tool"], value])).toEqual([
    ["tool-0", 1],
    ["tool-1", 1],
    ["tool-2", 1],
    ["others", 997],
  ]);
});

test("a histogram counts each duration in its bucket and in all wider ones", () => {
  const histogram = createHistogram({ name: "h", help: "h", label: "tool" }, 3);
  for (const seconds of [0.0078125, 0.03125, 0.0625, 128]) histogram.observe("a", seconds);
  const text = renderMetrics([histogram.read()]);
  expect(text).toContain('h_bucket{tool="a",le="0.01"} 1\n');
  expect(text).toContain('h_bucket{tool="a",le="0.05"} 2\n');
  expect(text).toContain('h_bucket{tool="a",le="0.1"} 3\n');
  expect(text).toContain('h_bucket{tool="a",le="40"} 3\n');
  expect(text).toContain('h_bucket{tool="a",le="+Inf"} 4\n');
  expect(text).toContain('h_count{tool="a"} 4\n');
  expect(text).toMatch(/^h_sum\{tool="a"\} 128\.1015625$/m);
});

test("a label begins no line and ends no value", () => {
  const counter = createCounter("c", "one\\two\nthree", 3);
  counter.add({ tool: 'a"} 1\nevil 2\\' });
  expect(renderMetrics([counter.read()])).toBe(
    '# HELP c one\\\\two\\nthree\n# TYPE c counter\nc{tool="a\\"} 1\\nevil 2\\\\"} 1\n',
  );
});

test("calls are counted by outcome, and what an agent made up is no label", () => {
  const counts = createRecordCounts();
  counts.count({ ...RESPONSE, probe: "sonde/system.overview", durationMs: 30 });
  counts.count({ ...RESPONSE, status: "failure", code: "READ_FAILED", probe: null, durationMs: 1 });
  counts.count({ ...RESPONSE, status: "failure", code: "EVIL_1", probe: null, durationMs: 1 });
  counts.count({
    event: "call.denied",
    status: "denied",
    code: "FORBIDDEN",
    probe: null,
    durationMs: null,
  });
  counts.count({
    event: "key.refused",
    status: "denied",
    code: "UNAUTHENTICATED",
    probe: null,
    durationMs: null,
  });
  const text = renderMetrics(counts.read());
  const calls = text.split("\n").filter((line) => line.startsWith("sonde_calls_total"));
  expect(calls).toEqual([
    'sonde_calls_total{code="ok"} 1',
    'sonde_calls_total{code="READ_FAILED"} 1',
    'sonde_calls_total{code="others"} 1',
    'sonde_calls_total{code="FORBIDDEN"} 1',
  ]);
  expect(text).toContain('sonde_audit_records_total{event="key.refused"} 1\n');
  expect(text).toContain('sonde_call_duration_seconds_count{tool="sonde/system.overview"} 1\n');
});

test("a request without a route is counted without what it asked for", () => {
  const counts = createRequestCounts();
  const refusal = "NOT_FOUND";
  counts.count({ method: "PROPFIND", route: null, status: 404, refusal });
  counts.count({ method: "GET", route: "/api/v1/agents/:agent", status: 200, refusal: null });
  expect(renderMetrics(counts.read())).toContain(
    'sonde_http_requests_total{method="others",route="others",status="404"} 1\n' +
      'sonde_http_requests_total{method="GET",route="/api/v1/agents/:agent",status="200"} 1\n',
  );
  expect(renderMetrics(counts.read())).toContain(
    'sonde_http_requests_refused_total{code="NOT_FOUND"} 1\n',
  );
});
