import { formatNoteKey } from "@sonde/trust/log";
import { buildSamplePolicy, createSampleLog } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { aimAtOwnRegistry } from "./trust-policy-file.ts";

const own = { registry: "http://127.0.0.1:4311", logKey: formatNoteKey(createSampleLog().key) };

test("a host without a policy pins the log key of the registry beside it, and trusts no publisher", () => {
  expect(aimAtOwnRegistry(null, own)).toEqual({
    ...own,
    publishers: {},
    allowUnsignedPacks: false,
  });
});

test("a new port of the registry beside it is adopted; the rest of the policy stays", () => {
  const known = { ...buildSamplePolicy({}), ...own, allowUnsignedPacks: true };
  const moved = { ...own, registry: "http://127.0.0.1:9" };
  expect(aimAtOwnRegistry(known, moved)).toEqual({ ...known, registry: moved.registry });
});

test("a host that its administrator pointed at another log stays unchanged", () => {
  const mirror = {
    registry: "https://mirror.example",
    logKey: formatNoteKey(createSampleLog().key),
  };
  const known = { ...buildSamplePolicy({}), ...mirror, logHeadMaxAgeHours: 336 };
  expect(aimAtOwnRegistry(known, own)).toBe(known);
});
