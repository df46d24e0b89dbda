import type { PackLife, VersionState } from "@sonde/schemas/registry";
import { expect, test } from "vitest";
import { findLatest } from "./order-versions.ts";
import { NEW_LIFE } from "./pack-life.ts";

const YANKED: VersionState = { yanked: "broken", quarantined: null };
const QUARANTINED: VersionState = { yanked: null, quarantined: "malware" };

test.each<[string, string[], Record<string, VersionState>, string | null]>([
  ["the highest release, whenever published", ["1.10.0", "1.9.0"], {}, "1.10.0"],
  ["no pre-release while a release stands", ["1.0.0", "2.0.0-rc.1"], {}, "1.0.0"],
  ["the highest pre-release where there is nothing else", ["1.0.0-a", "1.0.0-b"], {}, "1.0.0-b"],
  ["no yanked one", ["1.0.0", "1.1.0"], { "1.1.0": YANKED }, "1.0.0"],
  ["no quarantined one", ["1.0.0", "1.1.0"], { "1.1.0": QUARANTINED }, "1.0.0"],
  [
    "a pre-release when the releases are withdrawn",
    ["1.0.0", "0.9.0-a"],
    { "1.0.0": YANKED },
    "0.9.0-a",
  ],
  [
    "none when all are withdrawn",
    ["1.0.0", "1.1.0"],
    { "1.0.0": YANKED, "1.1.0": QUARANTINED },
    null,
  ],
])("the latest is %s", (_what, versions, states, latest) => {
  const life: PackLife = {
    ...NEW_LIFE,
    versions: Object.entries(states).map(([version, state]) => ({ version, state })),
  };
  expect(
    findLatest(
      versions.map((version) => ({ version })),
      life,
    ),
  ).toBe(latest);
});
