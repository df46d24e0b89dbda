import { expect, test } from "vitest";
import { parseRunnerGroups } from "./runner-groups.ts";

const GROUPS = "root:x:0:\nadm:x:4:syslog\ndocker:x:991:\nsystemd-journal:x:101:\n";

test("commas separate runners, + joins the groups of one runner", () => {
  expect(parseRunnerGroups(["docker", "docker+adm"], GROUPS)).toEqual([
    { name: "docker", groups: ["docker"], gids: [991] },
    { name: "adm+docker", groups: ["adm", "docker"], gids: [4, 991] },
  ]);
});

test("the same groups in another order mean the same runner", () => {
  const runners = parseRunnerGroups(["adm+docker", "docker+adm", "docker+adm+docker"], GROUPS);
  expect(runners.map(({ name }) => name)).toEqual(["adm+docker"]);
});

test.each(["dock", "docker+", "+adm", "docker+nothing", " docker"])(
  "%j names a group that is not there",
  (spec) => {
    expect(() => parseRunnerGroups([spec], GROUPS)).toThrow(
      expect.objectContaining({ code: "RIGHT_MISSING" }),
    );
  },
);
