import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { diskUsage } from "./disk-usage.ts";

const space = {
  totalBytes: 1000,
  freeBytes: 500,
  availableBytes: 300,
  totalInodes: 10,
  freeInodes: 5,
};
const disk = (mountPoint: string, device: string, more: object = space) => ({
  mountPoint,
  device,
  type: "ext4",
  options: "rw,relatime",
  ...more,
});

type Usage = { mountPoint: string; mountCount: number };
type Result = { filesystems: Usage[]; unreadable: { mountPoint: string }[] };

function ask(data: { mounts: object[] }, params: object = {}, truncated = false): Result {
  const samples = [{ at: 0, truncated, data }];
  const input: GuestInput = { params, now: 0, reads: { mounts: { ok: true, samples } } };
  return diskUsage.call(input) as Result;
}
const pointsOf = (list: { mountPoint: string }[]) => list.map(({ mountPoint }) => mountPoint);
const numbered = (deviceNumber: string, ...rest: Parameters<typeof disk>) => ({
  ...disk(...rest),
  deviceNumber,
});

test("the fullest filesystem comes first, as a share of what an ordinary user can use", () => {
  const empty = { ...space, freeBytes: 1000, availableBytes: 800 };
  const mounts = [disk("/a", "/dev/a", empty), disk("/b", "/dev/b")];
  expect(ask({ mounts })).toMatchObject({
    filesystems: [
      { mountPoint: "/b", usedBytes: 500, usedPercent: 62.5, inodesUsedPercent: 50 },
      { mountPoint: "/a", usedPercent: 0 },
    ],
  });
});

// EFS counts in blocks of 1 MiB, s3fs in blocks of 4 KiB.
test.each([
  ["EFS", 2n ** 43n - 1n, 2n ** 20n],
  ["s3fs", 2n ** 52n - 1n, 2n ** 12n],
])(
  "the size that %s gives, near 2^63 or 2^64 bytes, is exact and can be sent",
  (_, blocks, unit) => {
    const bytes = (count: bigint) => Number(count * unit);
    const mounts = [
      numbered("0:50", "/s", "x", {
        ...{ totalBytes: bytes(blocks), freeBytes: bytes(blocks - 6_000n) },
        ...{ availableBytes: bytes(blocks - 6_000n), totalInodes: 2 ** 64, freeInodes: 2 ** 64 },
      }),
    ];
    const result = ask({ mounts });
    expect(result).toMatchObject({
      filesystems: [
        {
          ...{ totalBytes: bytes(blocks), usedBytes: bytes(6_000n), usedPercent: 0 },
          ...{ availableBytes: bytes(blocks - 6_000n), inodesUsedPercent: 0 },
        },
      ],
    });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  },
);

test("a filesystem is listed once, by its device number, whatever its source is called", () => {
  const mounts = [
    numbered("0:50", "/a/b", "/dev/fuse"),
    numbered("0:51", "/b", "/dev/fuse"),
    numbered("0:52", "/x/nfs", "server:/x"),
    numbered("0:52", "/y", "server:/x/y"),
    numbered("0:53", "/dev/shm", "/dev/shm"),
    numbered("0:54", "/elsewhere", "/dev/shm"),
  ];
  const { filesystems } = ask({ mounts });
  expect(filesystems.map(({ mountPoint, mountCount }) => [mountPoint, mountCount])).toEqual([
    ["/a/b", 1],
    ["/b", 1],
    ["/dev/shm", 1],
    ["/elsewhere", 1],
    ["/y", 2],
  ]);
});

test("of an agent that states no device number, real devices are merged and no others", () => {
  const mounts = [
    disk("/", "/dev/a"),
    disk("/var/lib/docker", "/dev/a"),
    disk("/run", "tmpfs"),
    disk("/tmp", "tmpfs"),
  ];
  expect(pointsOf(ask({ mounts }).filesystems)).toEqual(["/", "/run", "/tmp"]);
});

test("a mount that could not be queried is not reported as empty", () => {
  const failure = { code: "READ_TIMEOUT", message: "no answer" };
  const mounts = [
    numbered("0:60", "/nfs", "server:/x", { failure }),
    numbered("0:60", "/nfs/again", "server:/x", { failure }),
  ];
  expect(ask({ mounts }, {}, true)).toMatchObject({
    filesystems: [],
    unreadable: [{ mountPoint: "/nfs", type: "ext4", code: "READ_TIMEOUT", reason: "no answer" }],
    incomplete: true,
  });
});

test("a hidden mount has no size, and is told unless its filesystem is mounted elsewhere", () => {
  const hidden = (deviceNumber: string, mountPoint: string) => ({
    ...{ deviceNumber, mountPoint, device: "a", type: "tmpfs" },
  });
  const data = {
    mounts: [numbered("0:41", "/v", "b"), numbered("0:42", "/long/path", "c")],
    hidden: [hidden("0:40", "/v/tmp"), hidden("0:42", "/c")],
  };
  const { filesystems, unreadable } = ask(data);
  expect(filesystems).toMatchObject([
    { mountPoint: "/long/path", mountCount: 2 },
    { mountPoint: "/v", mountCount: 1 },
  ]);
  expect(unreadable).toEqual([
    {
      mountPoint: "/v/tmp",
      type: "tmpfs",
      code: "READ_FAILED",
      reason: expect.stringContaining("hides"),
    },
  ]);
});

test("of a thousand filesystems, storage and the fullest come first, and the cut is counted", () => {
  const full = { ...space, type: "tmpfs", freeBytes: 0, availableBytes: 0 };
  const layers = Array.from({ length: 1010 }, (_, index) =>
    numbered(`0:${index + 100}`, `/a/${index}`, "tmpfs", full),
  );
  const failure = { code: "PERMISSION_NEEDED", message: "no" };
  const closed = Array.from({ length: 300 }, (_, index) =>
    numbered(`1:${index}`, `/c/${index}`, "x", { failure }),
  );
  const mounts = [
    ...layers,
    ...closed,
    numbered("8:1", "/z", "/dev/sda1"),
    numbered("0:7", "/zfs", "tank"),
  ];
  const result = ask({ mounts, leftOut: 5 } as { mounts: object[] });
  expect(result).toMatchObject({
    ...{ filesystemCount: 1012, unreadableCount: 300, withoutStorageCount: 0, leftOutCount: 5 },
  });
  expect(pointsOf(result.filesystems).slice(0, 3)).toEqual(["/z", "/zfs", "/a/0"]);
  expect([result.filesystems.length, result.unreadable.length]).toEqual([30, 30]);
  expect(JSON.stringify(result).length).toBeLessThan(16_000);
  expect(ask({ mounts }, { limit: 2 }).filesystems).toHaveLength(2);
});

test("a filesystem without storage is counted, and listed when all is true", () => {
  const mounts = [numbered("0:5", "/proc", "proc", { ...space, totalBytes: 0 })];
  expect(ask({ mounts })).toMatchObject({ filesystems: [], withoutStorageCount: 1 });
  expect(pointsOf(ask({ mounts }, { all: true }).filesystems)).toEqual(["/proc"]);
});
