import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { containerInspect } from "./container-inspect.ts";
import { containerLogs } from "./container-logs.ts";
import { containerStats } from "./container-stats.ts";
import { containersList } from "./containers-list.ts";
import { diskUsage } from "./disk-usage.ts";
import { health } from "./health.ts";
import { images } from "./images.ts";

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

test.each([
  ["an error", 500, '{"message":"no"}', false, /status 500/],
  ["another kind of answer", 200, "7", false, /status 200/],
  ["no JSON", 200, "<html>", false, /JSON/],
  ["a cut answer", 200, "[]", true, /cut/],
])("%s is a failure of every other probe too", (_what, status, body, truncated, message) => {
  const answers = (names: string[]): GuestInput => ({
    ...{ params: {}, now: 0 },
    reads: Object.assign(
      {},
      ...names.map((name) => input(name, status, body, truncated).reads),
    ) as GuestInput["reads"],
  });
  expect(() => images.call(answers(["images", "containers"]))).toThrow(message);
  expect(() => diskUsage.call(answers(["usage"]))).toThrow(message);
  expect(() => health.call(answers(["list"]))).toThrow(message);
});

test("members of the wrong type are empty in every other probe too", () => {
  const rows = JSON.stringify([null, 7, { Id: 7, RepoTags: "x", Size: "1", Names: 3, State: [] }]);
  const both = { ...input("images", 200, rows).reads, ...input("containers", 200, rows).reads };
  expect(images.call({ params: {}, now: 0, reads: both })).toMatchObject({
    ...{ imageCount: 3, unusedCount: 0 },
    images: [{ id: "", names: [], sizeBytes: 0 }, {}, {}],
  });
  expect(health.call(input("list", 200, rows))).toMatchObject({
    containerCount: 3,
    containers: [],
  });
  const odd = { Images: rows, Containers: [null, { Names: [null] }], Volumes: [{ UsageData: 7 }] };
  expect(diskUsage.call(input("usage", 200, JSON.stringify(odd)))).toMatchObject({
    unknownCount: 1,
    largest: [{ bytes: 0 }, { bytes: 0 }, { bytes: 0 }],
  });
});

const look = (body: object | string) => ({
  ...{ at: 0, truncated: false },
  data: { status: 200, body: typeof body === "string" ? body : JSON.stringify(body) },
});
const statsOf = (first: object | string, last: object | string) =>
  containerStats.call({
    ...{ params: {}, now: 0 },
    reads: { ...engine, looks: { ok: true, samples: [look(first), look(last)] } },
  });

test("what a container uses is the difference of two looks, by the engine's own clock", () => {
  const at = (second: number, used: number, throttled: number) => ({
    read: `2026-01-01T00:00:0${second}Z`,
    cpu_stats: {
      cpu_usage: { total_usage: used },
      throttling_data: { periods: 10 * second, throttled_periods: throttled },
    },
    memory_stats: { usage: 90, limit: 100, stats: { inactive_file: 40 } },
    networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "Read", value: 5 },
        { op: "write", value: 6 },
        { op: "Write", value: 1 },
      ],
    },
  });
  // More nanoseconds than JavaScript counts exactly: a container that ran for months.
  expect(statsOf(at(1, 2e16, 0), at(3, 2e16 + 1e9, 5))).toMatchObject({
    ...{ found: true, isRunning: true },
    stats: {
      ...{ cpuPercent: 50, throttledPercent: 25, memoryBytes: 50, memoryUsedPercent: 50 },
      ...{ taskCount: null, receivedBytes: 11, sentBytes: 22, readBytes: 5, writtenBytes: 7 },
    },
  });
});

test("of a container that does not run there is no use, and of one look without a time none", () => {
  for (const body of ["", "\n", { read: "0001-01-01T00:00:00Z" }]) {
    expect(statsOf(body, body)).toEqual({ found: true, isRunning: false, stats: null });
  }
  expect(statsOf({}, {})).toMatchObject({ stats: { cpuPercent: null, memoryBytes: null } });
  expect(() => statsOf("[", "[")).toThrow("JSON");
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
    const wrote = { ...engine, output: failed };
    expect(() => containerLogs.call({ params: {}, now: 0, reads: wrote })).toThrow(code);
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
