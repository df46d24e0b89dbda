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

test("the age limit of a log's head is a whole number of hours, from one day to 90 days", () => {
  const got = [23, 24, 24.5, 2160, 2161, -1, "48", null].map(accepts);
  expect(got).toEqual([false, true, false, true, false, false, false, false]);
});

test("a policy without the age limit leaves it undefined", () => {
  expect(pickRegistry(policy)).toEqual({ registry: policy.registry, logKey: policy.logKey });
  expect(pickRegistry({ ...policy, logHeadMaxAgeHours: 72 }).logHeadMaxAgeHours).toBe(72);
});
