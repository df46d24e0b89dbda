import { expect, test } from "vitest";
import { parseTrustPolicy, pickRegistry } from "./trust-policy.ts";

const policy = {
  registry: "http://127.0.0.1:1",
  logKey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  publishers: {},
  allowUnsignedPacks: false,
};
const accepts = (logHeadMaxAgeHours: unknown): boolean => {
  try {
    parseTrustPolicy({ ...policy, logHeadMaxAgeHours });
    return true;
  } catch {
    return false;
  }
};

test("how old a log's head may be is a number of whole hours, from a day to ninety", () => {
  const got = [23, 24, 24.5, 2160, 2161, -1, "48", null].map(accepts);
  expect(got).toEqual([false, true, false, true, false, false, false, false]);
});

test("a policy that says nothing of it hands on nothing", () => {
  expect(pickRegistry(policy)).toEqual({ registry: policy.registry, logKey: policy.logKey });
  expect(pickRegistry({ ...policy, logHeadMaxAgeHours: 72 }).logHeadMaxAgeHours).toBe(72);
});
