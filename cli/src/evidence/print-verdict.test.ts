import type { EvidenceFinding } from "@sonde/schemas/evidence";
import { afterEach, expect, test } from "vitest";
import { printVerdict } from "./print-verdict.ts";

afterEach(() => {
  process.exitCode = undefined;
});

/** @returns the exit code of the process that prints it */
function codeOf(sound: boolean, recomputed?: EvidenceFinding["state"]): unknown {
  process.exitCode = undefined;
  const finding = { about: "recomputed" as const, by: "this program", says: "" };
  printVerdict(
    {
      ...{ callId: "00000000-0000-4000-8000-000000000001", sound, result: null },
      findings: recomputed === undefined ? [] : [{ ...finding, state: recomputed }],
      ...{ authority: { fingerprint: "", pinned: false }, isRepeatable: false },
    },
    {},
    () => undefined,
  );
  return process.exitCode;
}

test("a file that contradicts itself is no success", () => {
  expect([codeOf(true), codeOf(false)]).toEqual([undefined, 1]);
});

test("an answer that should be computed again and was not is no success", () => {
  const states = ["proven", "missing", "broken"] as const;
  expect(states.map((state) => codeOf(state !== "broken", state))).toEqual([undefined, 1, 1]);
});
