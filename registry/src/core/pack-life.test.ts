import type { PackChange, PackLife } from "@sonde/schemas/registry";
import { expect, test } from "vitest";
import { NEW_LIFE, advisoriesOf, changeLife, stateOf } from "./pack-life.ts";

const about = { at: "2026-01-01T00:00:00.000Z", name: "acme/hello" };
const yank = (yanked: boolean, reason = "broken"): PackChange => ({
  ...{ type: "yank", ...about, version: "1.0.0", yanked, reason },
});
const advisory = (changes: object = {}): PackChange => ({
  ...{ type: "advisory", ...about, id: "ACME-1", range: "<1.2.0", severity: "high" },
  ...{ text: "Says too much.", withdrawn: false, ...changes },
});
const live = (changes: PackChange[]): PackLife =>
  changes.reduce<PackLife>(
    (life, change) => changeLife(life, change, "publisher") ?? life,
    NEW_LIFE,
  );

test("a state can be set and reset, and a repetition is no change", () => {
  const yanked = live([yank(true)]);
  expect(stateOf(yanked, "1.0.0")).toEqual({ yanked: "broken", quarantined: null });
  expect(stateOf(yanked, "1.0.1")).toEqual({ yanked: null, quarantined: null });
  expect(changeLife(yanked, yank(true), "publisher")).toBeNull();
  expect(changeLife(yanked, yank(true, "worse"), "publisher")).not.toBeNull();
  expect(live([yank(true), yank(false)])).toEqual(NEW_LIFE);
  expect(changeLife(NEW_LIFE, yank(false), "publisher")).toBeNull();
});

test("an advisory is for the versions of its range, pre-releases too, until withdrawn", () => {
  const life = live([advisory()]);
  const has = (version: string) => advisoriesOf(life, version).length === 1;
  expect(["1.0.0", "1.2.0-beta.1", "1.2.0", "2.0.0"].map(has)).toEqual([true, true, false, false]);
  expect(changeLife(life, advisory(), "publisher")).toBeNull();
  expect(live([advisory(), advisory({ severity: "low" })]).advisories).toMatchObject([
    { severity: "low" },
  ]);
  expect(live([advisory(), advisory({ withdrawn: true })])).toEqual(NEW_LIFE);
});

test("only the operator withdraws the operator's advisory", () => {
  const life = changeLife(NEW_LIFE, advisory(), "operator") ?? NEW_LIFE;
  const forbidden = expect.objectContaining({ code: "FORBIDDEN" });
  expect(() => changeLife(life, advisory({ withdrawn: true }), "publisher")).toThrow(forbidden);
  expect(() => changeLife(life, advisory({ severity: "low" }), "publisher")).toThrow(forbidden);
  expect(changeLife(life, advisory({ withdrawn: true }), "operator")).toEqual(NEW_LIFE);
});

test("an invalid range and too many advisories are refused", () => {
  const bad = expect.objectContaining({ code: "BAD_REQUEST" });
  expect(() => live([advisory({ range: "all of them" })])).toThrow(bad);
  const many = Array.from({ length: 200 }, (_, index) => advisory({ id: `ACME-${index}` }));
  expect(() => live([...many, advisory({ id: "ONE-MORE" })])).toThrow(bad);
});
