import { expect, test } from "vitest";
import { AgentSelector, changeTags, MAX_TAGS, parseTag, selects } from "./tags.ts";
import { buildParser } from "./parse/index.ts";

const parseSelector = buildParser(AgentSelector, "selector", "BAD_REQUEST");

const BAD_REQUEST = expect.objectContaining({ code: "BAD_REQUEST" });
const MANY = Array.from({ length: MAX_TAGS }, (_, index) => `k${index}=v`);

test.each(["role=web", "a=1", "env-2=eu-west_1.b", `${"k".repeat(32)}=${"v".repeat(63)}`])(
  "%s is a tag",
  (text) => {
    expect(parseTag(text)).toBe(text);
    expect(parseSelector(text)).toBe(text);
  },
);

test.each([
  ...["role", "=web", "role=", "role=web=x", "Role=web", "role=Web", "1=web", "-a=b", "a-=b"],
  ...["role=web ", "role=w eb", "role=web\n", "role=*", "role=.web", "role=web.", "rôle=web", ""],
  ...[`${"k".repeat(33)}=v`, `k=${"v".repeat(64)}`, "role=we/b", "role=__proto__"],
])("%j is no tag", (text) => {
  expect(() => parseTag(text)).toThrow(BAD_REQUEST);
});

test("a selector is a name or a tag, and matches it exactly", () => {
  const agent = { name: "web-1", tags: ["env=prod", "role=web"] };
  for (const selector of ["web-1", "role=web", "env=prod"]) {
    expect(selects(parseSelector(selector), agent)).toBe(true);
  }
  for (const selector of ["web", "web-11", "role=we", "role=web2", "env=web", "role"]) {
    expect(selects(parseSelector(selector), agent)).toBe(false);
  }
  for (const selector of ["*", "role=*", "role=", "web-1,web-2", "!web-1", "role!=web"]) {
    expect(() => parseSelector(selector)).toThrow(BAD_REQUEST);
  }
});

test("tags are set and removed by key, sorted", () => {
  const tags = ["env=prod", "role=web"];
  expect(changeTags(tags, { set: ["role=db", "a=b"], remove: ["env"] })).toEqual([
    "a=b",
    "role=db",
  ]);
  expect(changeTags(tags, { set: [], remove: [] })).toEqual(tags);
  expect(changeTags(MANY, { set: ["k0=w"], remove: [] })).toHaveLength(MAX_TAGS);
});

test.each([
  ["a key that is set twice", { set: ["a=b", "a=c"], remove: [] }],
  ["a key that is set and removed", { set: ["k0=b"], remove: ["k0"] }],
  ["a key to remove that is not there", { set: [], remove: ["role"] }],
  ["one tag too many", { set: ["one=more"], remove: [] }],
])("%s is refused", (_what, change) => {
  expect(() => changeTags(MANY, change)).toThrow(BAD_REQUEST);
});
