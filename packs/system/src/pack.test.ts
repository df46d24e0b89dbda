import { fileURLToPath } from "node:url";
import {
  isExpected,
  openPackTest,
  type PackTest,
  readFixtures,
  runDirectly,
} from "@sonde/pack-sdk/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import pack from "./pack.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));
const fixtures = await readFixtures(folder);

let tested: PackTest;
beforeAll(async () => {
  tested = await openPackTest(folder);
}, 30_000);
afterAll(() => tested.close());

test.each(fixtures)("$name: in the isolate and in this process alike", async ({ fixture }) => {
  const outcome = await tested.run(fixture);
  expect({ expected: outcome }).toEqual({ expected: fixture.expected });
  expect(isExpected(fixture, runDirectly(pack, tested.built.manifest, fixture))).toBe(true);
});

test("every probe has a fixture and only observes", () => {
  const probes = Object.keys(tested.built.manifest.probes).sort();
  const covered = new Set(fixtures.map(({ fixture }) => fixture.probe));
  expect([...covered].sort()).toEqual(probes);
  expect([...tested.built.capabilities.values()]).toEqual(probes.map(() => "observe"));
});
