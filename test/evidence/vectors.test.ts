import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEvidence } from "@sonde/schemas/evidence";
import { verifyEvidence } from "@sonde/trust/evidence";
import { EVIDENCE_FAULTS, EVIDENCE_LIES, INCOMPLETE_EVIDENCE } from "@sonde/trust/testing";
import { describe, expect, test } from "vitest";
import { EXPECTED, KEYLESS, VECTORS } from "./vectors.ts";

type Expected = { sound: boolean; findings: string[] };
const expected = JSON.parse(readFileSync(EXPECTED, "utf8")) as Record<string, Expected>;
const read = (name: string) =>
  parseEvidence(JSON.parse(readFileSync(join(VECTORS, `${name}.json`), "utf8")));

describe("the test vectors of evidence", () => {
  test("are two whole files, one with each fault and lie, and what may be missing", () => {
    const wrong = [...EVIDENCE_FAULTS, ...EVIDENCE_LIES];
    const incomplete = INCOMPLETE_EVIDENCE.map(({ name }) => name);
    const names = ["whole", KEYLESS, ...wrong.map(({ name }) => name), ...incomplete].toSorted();
    expect(Object.keys(expected).toSorted()).toEqual(names);
    expect(readdirSync(VECTORS).toSorted()).toEqual(names.map((name) => `${name}.json`).toSorted());
    expect(expected["whole"]?.sound).toBe(true);
    expect(expected[KEYLESS]).toEqual(expected["whole"]);
    for (const name of incomplete) expect([name, expected[name]?.sound]).toEqual([name, true]);
    for (const { name, about } of wrong) {
      expect([name, expected[name]]).toEqual([
        name,
        { sound: false, findings: expect.arrayContaining([`${about} broken`]) },
      ]);
    }
  });

  test.each(Object.entries(expected))("%s is judged as on record", (name, { sound, findings }) => {
    const verdict = verifyEvidence(read(name));
    const found = verdict.findings.map(({ about, state }) => `${about} ${state}`);
    expect([verdict.sound, found]).toEqual([sound, findings]);
  });
});
