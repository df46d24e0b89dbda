import { expect, test } from "vitest";
import { encodeBody, encodeResult } from "./encode-body.ts";
import type { ResultBody } from "./messages.ts";

const hash = `sha256:${"a".repeat(64)}`;
const rest = {
  truncated: false,
  redactions: { count: 0, rules: {} },
  collectedAt: "2026-01-01T00:00:00.000Z",
  reads: [],
  timings: { checks: 0, reads: 0, scrub: 0, guest: 0, audit: 0, total: 0 },
  auditHead: { size: 1, hash },
};
const callId = "00000000-0000-4000-8000-000000000001";

test("a result with serialised data has the same bytes as one that is serialised whole", () => {
  const data = { é: ["\ud800", 1e21, { __proto__: null }] };
  const whole: ResultBody = { callId, status: "ok", data, ...rest };
  const bytes = encodeResult({ callId, status: "ok", ...rest }, encodeBody(data));
  expect(bytes.toString("utf8")).toBe(JSON.stringify(whole));
});

test("a failure has no data", () => {
  const failure = { code: "PACK_FAILED", message: "no" };
  const result = { callId, status: "failure" as const, failure, ...rest };
  expect(encodeResult(result, null).toString("utf8")).toBe(JSON.stringify(result));
});
