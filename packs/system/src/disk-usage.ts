import { type Look, probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { percent } from "./parse-proc.ts";
import * as sources from "./sources.ts";

type Mount = Look<"filesystem">["mounts"][number];

const usage = t.object({
  mountPoint: t.string(),
  device: t.string(),
  type: t.string(),
  readOnly: t.boolean(),
  totalBytes: t.integer(),
  usedBytes: t.integer(),
  availableBytes: t.integer({ description: "to an unprivileged user" }),
  usedPercent: t.number({ description: "of used plus available, as df counts" }),
  inodesUsedPercent: t.nullable(t.number(), {
    description: "null when the filesystem has no fixed number of inodes",
  }),
});

export const diskUsage = probe({
  description:
    "Space and inodes used on each mounted filesystem, fullest first. Filesystems without storage " +
    "(proc, sysfs, cgroup and the like) are left out unless all is true. A filesystem mounted in several " +
    "places is listed once, at its shortest mount point. Mounts that could not be asked are listed under " +
    "unreadable with the reason: they are not empty.",
  params: t.object({
    all: t.optional(t.boolean({ description: "include filesystems without storage" })),
  }),
  result: t.object({
    filesystems: t.array(usage),
    unreadable: t.array(
      t.object({ mountPoint: t.string(), type: t.string(), code: t.string(), reason: t.string() }),
    ),
    incomplete: t.boolean({ description: "the mount table was longer than the read allows" }),
  }),
  reads: { mounts: sources.mounts },
  run({ params, reads }) {
    const { mounts, truncated } = reads.mounts;
    const filesystems = onePerDevice(mounts.filter((mount) => mount.failure === undefined))
      .filter((mount) => params.all === true || (mount.totalBytes ?? 0) > 0)
      .map(describeUsage)
      .sort((a, b) => b.usedPercent - a.usedPercent || compareText(a.mountPoint, b.mountPoint));
    const unreadable = mounts
      .flatMap(({ mountPoint, type, failure }) =>
        failure === undefined
          ? []
          : [{ mountPoint, type, code: failure.code, reason: failure.message }],
      )
      .sort((a, b) => compareText(a.mountPoint, b.mountPoint));
    return { filesystems, unreadable, incomplete: truncated };
  },
});

// Bind mounts show the same storage again, and a later mount on the same point hides the earlier
// one. Only the names of real devices identify duplicates.
function onePerDevice(mounts: readonly Mount[]): Mount[] {
  const kept = new Map<string, Mount>();
  for (const mount of mounts) {
    const key = mount.device.startsWith("/") ? mount.device : mount.mountPoint;
    const other = kept.get(key);
    if (other === undefined || mount.mountPoint.length <= other.mountPoint.length) {
      kept.set(key, mount);
    }
  }
  return [...kept.values()];
}

function describeUsage(mount: Mount) {
  const { mountPoint, device, type } = mount;
  const totalBytes = mount.totalBytes ?? 0;
  const usedBytes = totalBytes - (mount.freeBytes ?? 0);
  const availableBytes = mount.availableBytes ?? 0;
  const inodes = mount.totalInodes ?? 0;
  return {
    mountPoint,
    device,
    type,
    readOnly: mount.options.split(",").includes("ro"),
    totalBytes,
    usedBytes,
    availableBytes,
    usedPercent: percent(usedBytes, usedBytes + availableBytes),
    inodesUsedPercent: inodes === 0 ? null : percent(inodes - (mount.freeInodes ?? 0), inodes),
  };
}
