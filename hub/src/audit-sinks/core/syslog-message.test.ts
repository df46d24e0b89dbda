import { buildAuditRecord } from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import { frameSyslog, renderSyslog } from "./syslog-message.ts";

const HASH = `sha256:${"a".repeat(64)}`;
const AT = new Date("2026-03-04T05:06:07.890Z");
const entry = (record: Parameters<typeof buildAuditRecord>[2]) => ({
  ...{ seq: 7, previous: HASH, hash: HASH },
  record: buildAuditRecord(AT, "call.denied", record),
});

test("a message has header, structured data and the record as RFC 5424 says", () => {
  const denied = entry({ status: "denied", principal: "key:1" });
  expect(renderSyslog(denied, "hub.example", 8192)).toBe(
    `<108>1 2026-03-04T05:06:07.890Z hub.example sonde-hub - call.denied [sonde@32473 seq="7" hash="${HASH}" event="call.denied" who="key:1"] ${JSON.stringify(denied.record)}`,
  );
  expect(renderSyslog(entry({}), "höst name\n", 8192)).toMatch(
    /^<110>1 2026-03-04T05:06:07.890Z hstname sonde-hub /,
  );
  expect(renderSyslog(entry({}), "", 8192)).toContain("Z - sonde-hub ");
});

test("a value ends no parameter, and no message: quotes, brackets and backslashes are escaped", () => {
  const text = renderSyslog(entry({ principal: 'a"b]c\\d\ne' }), "h", 8192);
  expect(text).toContain(' who="a\\"b\\]c\\\\d?e"] {');
  expect(text).toMatch(/^[ -~]*$/);
});

test("what is not ASCII is escaped in the record, which is the same once it is read", () => {
  const record = entry({ detail: { host: "grün 🦊\u2028\u0000" } });
  const text = renderSyslog(record, "h", 8192);
  expect(text).toMatch(/^[ -~]*$/);
  expect(JSON.parse(text.slice(text.indexOf("] ") + 2))).toEqual(record.record);
});

test("a message that is too long loses what does not fit, stays JSON and says so", () => {
  const long = entry({ detail: { first: "x", large: "y".repeat(9_000), last: [1, 2] } });
  const text = renderSyslog(long, "h", 2_048);
  expect(text.length).toBeLessThanOrEqual(2_048);
  expect(text).toContain(' cut="9037"]');
  const record = JSON.parse(text.slice(text.indexOf("] ") + 2)) as object;
  expect(record).toEqual({
    ...long.record,
    detail: { cut: { bytes: 9_037 }, first: "x", last: [1, 2] },
  });
});

test("no detail makes a message above the limit", () => {
  for (let size = 20; size < 4_000; size += 13) {
    const detail = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`k${index}`, "ä".repeat(size / 20)]),
    );
    expect(renderSyslog(entry({ detail }), "h", 2_048).length).toBeLessThanOrEqual(2_048);
  }
});

test("a frame begins with the number of its bytes", () => {
  expect(frameSyslog("abc")).toBe("3 abc");
});
