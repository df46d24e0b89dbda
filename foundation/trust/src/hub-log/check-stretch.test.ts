import { hash } from "node:crypto";
import {
  type AuditEntry,
  type AuditRecord,
  buildAuditRecord,
  type ChainEntry,
} from "@sonde/schemas/audit";
import type { AuditExportEnd } from "@sonde/schemas/audit-search";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../canonical-json.ts";
import { chainRecord, EMPTY_HEAD, headAfter } from "../chain/chain.ts";
import { checkStretch } from "./check-stretch.ts";
import { hubLogLeaf } from "./hub-log.ts";
import { lastOf } from "./log-segments.ts";

const AT = new Date("2026-01-02T03:04:05.000Z");
const NONE = new Set<string>();

function buildLog(count: number, from = EMPTY_HEAD): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let head = from;
  for (let index = 0; index < count; index++) {
    const agent = `web-${index % 2}`;
    const detail = { index, word: 'a "b" \\ \u00e9 \u{1d54f}', ms: 0.25 };
    const entry = chainRecord(head, buildAuditRecord(AT, "log.read", { agent, detail }));
    entries.push(entry);
    head = headAfter(entry);
  }
  return entries;
}
const log = buildLog(5);
const [first, second, third] = log as [AuditEntry, AuditEntry, AuditEntry];
const END: AuditExportEnd = {
  ...{ complete: true, searched: null, entries: 5, filters: {} },
  head: headAfter(log[4] as AuditEntry),
};

const check = (lines: readonly (string | object)[], agents: ReadonlySet<string> = NONE) =>
  checkStretch(
    lines.map((line) => Buffer.from(typeof line === "string" ? line : JSON.stringify(line))),
    agents,
  );
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** As a hub hashes it, with another text of the record. */
function hashAs(text: string, { seq, previous }: ChainEntry): string {
  return `sha256:${hash("sha256", `sonde-audit-v1\n${seq}\n${previous}\n${text}`)}`;
}

test("each entry's hash and leaf are there, in order", () => {
  const { hashes, leaves, end } = check(log);
  expect(hexOf(hashes)).toBe(log.map((entry) => entry.hash.slice(7)).join(""));
  expect(hexOf(leaves)).toBe(log.map((entry) => hexOf(hubLogLeaf(entry.hash))).join(""));
  expect([end.is, check([...log, END]).end.is]).toEqual(["open", "complete"]);
  expect(check([...log, END]).hashes).toEqual(hashes);
});

// Attack 59.
test.each<[string, (string | object)[], number, RegExp]>([
  ["changed", log.with(2, { ...third, record: second.record }), 2, /entry 3 .*it was changed/],
  ["removed", log.toSpliced(2, 1), 2, /expected entry 3, got entry 4/],
  ["doubled", log.toSpliced(2, 0, second), 2, /expected entry 3, got entry 2/],
  [
    "written anew after another",
    log.with(2, chainRecord({ size: 2, hash: first.hash }, third.record)),
    2,
    /entry 3 .*after another/,
  ],
])("an entry that was %s ends a stretch, in words", (_what, lines, count, why) => {
  const { hashes, end } = check(lines);
  expect(end).toEqual({ is: "broken", why: expect.stringMatching(why) });
  expect(hashes.length).toBe(count * 32);
});

test("the first entry is not judged, since what is before it is elsewhere", () => {
  const changed = { ...first, seq: 77, record: second.record };
  const { seen, end } = check([changed]);
  expect([seen.get(0), end.is]).toEqual([changed, "open"]);
});

describe("seen are", () => {
  test("the first entry, all without content, the one after those, and log.dropped", () => {
    const gone = ({ seq, previous, hash: own }: AuditEntry): ChainEntry => ({
      ...{ seq, previous, hash: own, dropped: true },
    });
    const said = chainRecord(END.head, buildAuditRecord(AT, "log.dropped", {}));
    const more = buildLog(2, headAfter(said));
    const { seen } = check([first, second, gone(third), ...log.slice(3), said, ...more]);
    expect([...seen.keys()]).toEqual([0, 2, 3, 5]);
  });

  test("the last entry of a segment", () => {
    const { seen } = check(buildLog(4, { size: lastOf(1) - 2, hash: first.hash }));
    expect([...seen.values()].map(({ seq }) => seq)).toEqual([lastOf(1) - 1, lastOf(1)]);
  });

  test("all of the agents that are compared, also after one that does not follow", () => {
    const one = new Set(["web-1"]);
    expect([...check(log, one).seen.keys()]).toEqual([0, 1, 3]);
    const broken = check([...log.with(1, { ...second, hash: third.hash }), END], one);
    expect([...broken.seen.values()]).toEqual([first, { ...second, hash: third.hash }, log[3]]);
    expect(broken.end.is).toBe("broken");
  });
});

describe("what is no line of an export", () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const twice = JSON.stringify(second).replace('"index":1', '"index":0,"index":1');
  test.each<[string, string | object, RegExp]>([
    ["nothing", "", /expected JSON/],
    ["something else", "{}", /line of an audit export/],
    ["a text that is cut", JSON.stringify(second).slice(0, -1), /expected JSON/],
    ["an entry with a member more", { ...second, more: 1 }, /line of an audit export/],
    ["a member that is there twice", twice, /got "index" twice/],
    ["too many levels", JSON.stringify(second).replace(":1,", `:${deep(255)},`), /256 levels/],
    ["very many levels", deep(200_000), /256 levels/],
  ])("is %s: it ends the stretch, in words", (_what, line, why) => {
    const { hashes, end } = check([first, line, third]);
    expect(end).toMatchObject({ is: "unreadable", code: "AUDIT_UNAVAILABLE" });
    expect(end).toMatchObject({ why: expect.stringMatching(why) });
    expect(hashes.length).toBe(32);
  });

  test("is what is not UTF-8", () => {
    const bytes = Buffer.from(JSON.stringify(second));
    bytes[bytes.indexOf("\u00e9")] = 0xff;
    expect(checkStretch([Buffer.from(JSON.stringify(first)), bytes], NONE).end).toMatchObject({
      ...{ is: "unreadable", why: expect.stringMatching(/UTF-8/) },
    });
  });

  test("is anything after the last line", () => {
    expect(check([...log, END, END]).end).toMatchObject({
      ...{ is: "unreadable", why: "expected no line after the last one" },
    });
  });
});

describe("an entry is what its value is, in whatever form its line is", () => {
  const { seq, previous, record, hash: own } = second;
  const { detail, ...known } = record;
  const written = canonicalJson(record);
  const lineOf = (text: string, hashed = own) =>
    `{"seq":${seq},"previous":"${previous}","record":${text},"hash":"${hashed}"}`;

  test("as it is written today", () => {
    expect(JSON.stringify(second)).toBe(lineOf(written));
  });

  test.each([
    ["with a mark before it", `\ufeff${lineOf(written)}`],
    ["with members in another order", JSON.stringify({ hash: own, record, previous, seq })],
  ])("%s", (_what, line) => {
    expect(check([first, line, third])).toEqual(check(log.slice(0, 3)));
  });

  const records: [string, string][] = [
    ["with blanks", JSON.stringify(record, null, 1).replaceAll("\n", "")],
    ["with members in another order", JSON.stringify({ detail, ...known })],
    ["with an escape in a name", written.replace("word", "w\\u006frd")],
    ["with an escape in a text", written.replace("\u00e9", "\\u00e9")],
    ["with a number of another form", written.replace("0.25", "2.5e-1")],
  ];
  test.each(records)("its record %s", (_what, text) => {
    expect(text).not.toBe(written);
    expect(check([first, lineOf(text), third])).toEqual(check(log.slice(0, 3)));
  });
  // Else a log would verify here and nowhere else.
  test.each(records)("the hash of its record %s is not its hash", (_what, text) => {
    expect(check([first, lineOf(text, hashAs(text, second))]).end).toMatchObject({
      ...{ is: "broken", why: expect.stringMatching(/it was changed/) },
    });
  });

  test("with a name that has an escape, whatever was read before", () => {
    // Node 24 would read the second one's name as the first's (nodejs/node#63785).
    const one = chainRecord(END.head, { ...record, detail: { A: 1, "\\u006": 2 } });
    const two = chainRecord(headAfter(one), { ...record, detail: { A: 1, agent: 2 } });
    const line = JSON.stringify(two).replace('"agent":2', '"\\u0061gent":2');
    expect(check([one, line]).end.is).toBe("open");
  });

  test("with an unsorted record of an earlier release, whose hash is of the sorted one", () => {
    const unsorted: AuditRecord = { ...record, detail: { b: 1, a: { d: 2, c: 3 } } };
    const entry = chainRecord(headAfter(first), unsorted);
    expect(check([first, { ...entry, record: unsorted }]).end.is).toBe("open");
  });
});
