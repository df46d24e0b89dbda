import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Pack } from "@sonde/pack-sdk/author";
import {
  isExpected,
  openPackTest,
  type PackTest,
  readFixtures,
  runDirectly,
} from "@sonde/pack-sdk/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// What is true of every official pack. They are found by their folders.

const packs = join(import.meta.dirname, "../packs");
const all = await Promise.all(
  readdirSync(packs).map(async (name) => {
    const folder = join(packs, name);
    const { default: pack } = (await import(join(folder, "src/pack.ts"))) as { default: Pack };
    return { name, folder, pack, fixtures: await readFixtures(folder) };
  }),
);

describe.each(all)("sonde/$name", ({ folder, pack, fixtures }) => {
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
});
