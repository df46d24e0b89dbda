import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { containerInspect } from "./container-inspect.ts";
import { containersList } from "./containers-list.ts";

function input(read: string, status: number, body: string, truncated = false): GuestInput {
  const samples = [{ at: 0, truncated, data: { status, body } }];
  return { params: {}, now: 0, reads: { [read]: { ok: true, samples } } };
}

const { reads: engine } = input("engine", 200, "OK");

test.each([
  ["an error", 500, '{"message":"no"}', /status 500/],
  ["another kind of answer", 200, "{}", /status 200/],
  ["no JSON", 200, "<html>", /JSON/],
])("%s is a failure, not an empty list", (_what, status, body, message) => {
  expect(() => containersList.call(input("list", status, body))).toThrow(message);
});

test("a truncated list is a failure", () => {
  expect(() => containersList.call(input("list", 200, "[]", true))).toThrow(/cut/);
});

test("missing members and members of the wrong type are empty", () => {
  const body = JSON.stringify([null, { Id: 7, Names: "x", Ports: [{ PublicPort: "y" }] }]);
  expect(containersList.call(input("list", 200, body))).toMatchObject({
    containers: [
      { id: "", name: "" },
      { id: "", ports: ["0/"] },
    ],
  });
});

test.each(["PERMISSION_NEEDED", "READ_FAILED", "READ_TIMEOUT"])(
  "a container that could not be asked for (%s) is a failure, not one that is not there",
  (code) => {
    const failed = { ok: false as const, failure: { code, message: "no" } };
    const asked = { ...engine, answer: failed };
    expect(() => containerInspect.call({ params: {}, now: 0, reads: asked })).toThrow(code);
  },
);

test("a container counts as missing only when the engine answers", () => {
  const none = { ok: false as const, failure: { code: "SOURCE_NOT_FOUND", message: "none" } };
  const ask = (reads: GuestInput["reads"]) => containerInspect.call({ params: {}, now: 0, reads });
  expect(ask({ ...engine, answer: none })).toEqual({ found: false, container: null });
  expect(() => ask({ engine: none, answer: none })).toThrow("SOURCE_NOT_FOUND");
});

test("a result contains no environment value and no argument", () => {
  const body = JSON.stringify({
    Path: "/app",
    Args: ["--token=s3cret"],
    Config: { Env: ["A=s3cret", "B", "C=x=s3cret", 7], Cmd: ["s3cret"], Labels: { x: "s3cret" } },
  });
  const { reads } = input("answer", 200, body);
  const result = containerInspect.call({ params: {}, now: 0, reads: { ...engine, ...reads } });
  expect(JSON.stringify(result)).not.toContain("s3cret");
  expect(result).toMatchObject({ container: { environmentNames: ["", "A", "B", "C"] } });
});

// Docker writes --cpus as NanoCpus; Podman and --cpu-quota write a quota of a period.
test.each([
  [{ NanoCpus: 1_500_000_000, CpuQuota: 0, CpuPeriod: 0 }, 1.5],
  [{ NanoCpus: 0, CpuQuota: 150_000, CpuPeriod: 100_000 }, 1.5],
  [{ CpuQuota: 25_000, CpuPeriod: 50_000 }, 0.5],
  [{ CpuQuota: 50_000, CpuPeriod: 0 }, 0.5],
  [{ CpuQuota: -1, CpuPeriod: 100_000 }, null],
  [{ NanoCpus: 0, CpuQuota: 0, CpuPeriod: 0 }, null],
  [{}, null],
])("a CPU limit of %j is %s", (HostConfig, cpuLimit) => {
  const { reads } = input("answer", 200, JSON.stringify({ HostConfig }));
  const result = containerInspect.call({ params: {}, now: 0, reads: { ...engine, ...reads } });
  expect(result).toMatchObject({ container: { cpuLimit } });
});
