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

function ask(mounts: object[], params: object = {}, truncated = false): unknown {
  const samples = [{ at: 0, truncated, data: { mounts } }];
  const input: GuestInput = { params, now: 0, reads: { mounts: { ok: true, samples } } };
  return diskUsage.call(input);
}

test("the fullest filesystem comes first, as a share of what an ordinary user can use", () => {
  const empty = { ...space, freeBytes: 1000, availableBytes: 800 };
  expect(ask([disk("/a", "/dev/a", empty), disk("/b", "/dev/b")])).toMatchObject({
    filesystems: [
      { mountPoint: "/b", usedBytes: 500, usedPercent: 62.5, inodesUsedPercent: 50 },
      { mountPoint: "/a", usedPercent: 0 },
    ],
  });
});

test("a device with two mounts is listed once; mounts without a device are never merged", () => {
  const mounts = [
    disk("/", "/dev/a"),
    disk("/var/lib/docker", "/dev/a"),
    disk("/run", "tmpfs"),
    disk("/tmp", "tmpfs"),
  ];
  const { filesystems } = ask(mounts) as { filesystems: { mountPoint: string }[] };
  expect(filesystems.map(({ mountPoint }) => mountPoint)).toEqual(["/", "/run", "/tmp"]);
});

test("a mount that could not be queried is not reported as empty", () => {
  const failure = { code: "READ_TIMEOUT", message: "no answer" };
  expect(ask([disk("/nfs", "server:/x", { failure })], {}, true)).toEqual({
    filesystems: [],
    unreadable: [{ mountPoint: "/nfs", type: "ext4", code: "READ_TIMEOUT", reason: "no answer" }],
    incomplete: true,
  });
});
