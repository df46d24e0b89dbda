import { expect, test } from "vitest";
import { judgeRollOut, type RolledOut } from "./roll-out.ts";

const PACK = "acme/hello";
const agent = (name: string, more: Partial<RolledOut> = {}): RolledOut => ({
  ...{ name, online: true, desired: [], packs: [] },
  ...more,
});
const given = { desired: [{ name: PACK, version: "2.0.0" }] };
const reports = (state: string, version = "2.0.0") => ({
  packs: [{ name: PACK, version, state, reason: null }],
});
const judge = (...agents: RolledOut[]) => judgeRollOut(agents, PACK, "2.0.0");

test("those that were not given the version are left, the ones that are offline last", () => {
  const older = { desired: [{ name: PACK, version: "1.0.0" }], ...reports("active", "1.0.0") };
  expect(judge(agent("away", { online: false }), agent("a", older), agent("b")).left).toEqual([
    ...["a", "b", "away"],
  ]);
});

test.each([
  ["active", "done"],
  ["pending", "done"],
  ["fetching", "waiting"],
  ["of-a-later-release", "waiting"],
] as const)("an agent whose version is %s is %s", (state, list) => {
  expect(judge(agent("a", { ...given, ...reports(state) }))[list]).toEqual(["a"]);
});

test.each(["failed", "held", "quarantined", "revoked"])(
  "a version that is %s stops it",
  (state) => {
    const { stopped } = judge(agent("a", { ...given, ...reports(state) }), agent("b"));
    expect(stopped).toEqual([{ agent: "a", state, reason: null }]);
  },
);

test("an agent that says nothing is waited for, unless it is offline", () => {
  const before = reports("active", "1.0.0");
  expect(judge(agent("a", { ...given, ...before })).waiting).toEqual(["a"]);
  expect(judge(agent("a", { ...given, online: false })).done).toEqual(["a"]);
});
