import type { FilledRead, RunnerOutcome } from "@sonde/schemas/reads";
import { expect, test } from "vitest";
import { dropHiddenMatches } from "./drop-hidden-matches.ts";

const limits = { timeoutMs: 1000, maxBytes: 65536, searchBytes: 65536 };

function search(contains: string, ignoreCase?: true): FilledRead {
  const source = { kind: "lines" as const, path: "/var/log/app", newest: 9, ...limits };
  return {
    name: "log",
    source: { ...source, contains, ...(ignoreCase && { ignoreCase }) },
    values: {},
  };
}

function found(texts: string[], matchCount: number): Record<string, RunnerOutcome> {
  const data = {
    parts: texts.map((text) => ({ text })),
    ...{ matchCount, searchedBytes: 1, fileBytes: 1, cutByDeadline: false },
  };
  const margins = Object.fromEntries(
    texts.map((_, index) => [index, { before: "a\n", after: "b\n" }]),
  );
  return { log: { ok: true, samples: [{ at: 1, truncated: false, data, margins }] } };
}

function ask(read: FilledRead, texts: string[], matchCount = texts.length) {
  const run = { deadline: Infinity, now: () => 0, counts: new Map<string, number>() };
  const done = { reads: found(texts, matchCount), traces: [] };
  const { log } = dropHiddenMatches([read], done, run).reads;
  const [sample] = log?.ok === true ? log.samples : [];
  const data = sample?.data as { parts: { text: string }[]; matchCount: number };
  expect(Object.keys(sample?.margins ?? {})).toHaveLength(data.parts.length);
  return { lines: data.parts.map(({ text }) => text), matchCount: data.matchCount };
}

const SECRET = "DB_PASSWORD=hunter2-and-more\n";

test("attack 53: a guess of a secret finds nothing, whether it is right or wrong", () => {
  for (const guess of ["hunter2", "PASSWORD=h", "hunter2-and-more"]) {
    expect(ask(search(guess), [SECRET]), guess).toEqual({ lines: [], matchCount: 0 });
  }
  // Those that were counted and not given are not told either.
  expect(ask(search("hunter2"), [SECRET], 70)).toEqual({ lines: [], matchCount: 0 });
  expect(ask(search("HUNTER2", true), [SECRET]).matchCount).toBe(0);
});

test("what is to be seen in the answer is found as before, with the whole count", () => {
  expect(ask(search("DB_PASSWORD"), [SECRET], 70)).toEqual({ lines: [SECRET], matchCount: 70 });
  expect(ask(search("db_password", true), [SECRET], 70).matchCount).toBe(70);
  expect(ask(search("ärger", true), ["ÄRGER\n"]).matchCount).toBe(1);
  expect(ask(search("error"), ["an error\n", "error\nerror 2"], 3)).toMatchObject({
    matchCount: 3,
  });
});

test("of lines that stand together, those alone are left out whose match is hidden", () => {
  const together = `hunter2 went home\n${SECRET}and hunter2 slept\n`;
  expect(ask(search("hunter2"), [together], 3)).toEqual({
    lines: ["hunter2 went home\n", "and hunter2 slept\n"],
    matchCount: 2,
  });
});

test("the word of a marker is not a match", () => {
  expect(ask(search("redacted"), ["token: redacted-8f3kd02kd93kdl29\n"]).matchCount).toBe(0);
});

test("a line inside of a private key is hidden, by what stands around it", () => {
  const body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n";
  const margins = {
    "0": {
      before: `-----BEGIN PRIVATE KEY-----\n${body}`,
      after: `${body}-----END PRIVATE KEY-----\n`,
    },
  };
  const read = search("MIIE");
  const outcome = found([body], 1);
  const [sample] = outcome["log"]?.ok === true ? outcome["log"].samples : [];
  Object.assign(sample ?? {}, { margins });
  const run = { deadline: Infinity, now: () => 0, counts: new Map<string, number>() };
  expect(dropHiddenMatches([read], { reads: outcome, traces: [] }, run).reads).toMatchObject({
    log: { samples: [{ data: { parts: [], matchCount: 0 } }] },
  });
});

test("a read that searched for nothing stays as it is", () => {
  const { contains: _, ...source } = search("x").source as { contains: string };
  const read = { ...search("x"), source } as FilledRead;
  expect(ask(read, [SECRET], 70)).toEqual({ lines: [SECRET], matchCount: 70 });
});

test("attack 53: neither does a search of the journal find a guess of a secret", () => {
  const source = { kind: "journal" as const, show: "rows" as const, newest: 9, contains: "hunter" };
  const read: FilledRead = {
    name: "log",
    source: { ...source, timeoutMs: 1000, maxBytes: 65536 },
    values: {},
  };
  const row = (message: string) => ({ at: 1, cursor: "c", bootId: "b", message });
  const rows = [row("a hunter"), row(SECRET), row("hunter again")];
  const data = { rows, unreadableRows: 0, boots: [], warnings: "" };
  const outcomes = { log: { ok: true as const, samples: [{ at: 1, truncated: true, data }] } };
  const run = { deadline: Infinity, now: () => 0, counts: new Map<string, number>() };
  const traces = [{ name: "log", what: "the journal", bytes: 5000, ms: 1 }];
  const seen = dropHiddenMatches([read], { reads: outcomes, traces }, run);
  expect(seen.reads).toMatchObject({
    log: { samples: [{ truncated: false, data: { rows: [rows[0], rows[2]] } }] },
  });
  // Neither does the size of what the runner found tell.
  expect(seen.traces).toMatchObject([{ bytes: "a hunter".length + "hunter again".length }]);
});
