import { type Look, probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { percent } from "./parse-proc.ts";
import * as sources from "./sources.ts";

type Mount = Look<"filesystem">["mounts"][number];
type Hidden = NonNullable<Look<"filesystem">["hidden"]>[number];
type Usage = ReturnType<typeof describeUsage>;

const DEFAULT_LIMIT = 30;

/** Their space is memory, that of the layers beneath them, or an image that is always full. */
const WITHOUT_OWN_STORAGE = new Set(
  "tmpfs devtmpfs ramfs rootfs hugetlbfs overlay squashfs erofs iso9660 udf".split(" "),
);

const usage = t.object({
  mountPoint: t.string(),
  mountCount: t.integer({ description: "places where it is mounted" }),
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
    "Space and inodes used on each filesystem, fullest first, tmpfs, overlay and squashfs last. One " +
    "mounted in several places is listed once. Those without storage (proc, sysfs) are only counted " +
    "unless all is true. Those that could not be asked are under unreadable with the reason: they are " +
    "not empty. The counts include what limit leaves out.",
  params: t.object({
    all: t.optional(t.boolean({ description: "include filesystems without storage" })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    filesystemCount: t.integer(),
    filesystems: t.array(usage),
    unreadableCount: t.integer(),
    unreadable: t.array(
      t.object({ mountPoint: t.string(), type: t.string(), code: t.string(), reason: t.string() }),
    ),
    withoutStorageCount: t.integer({ description: "filesystems left out because all is not true" }),
    leftOutCount: t.integer({ description: "mounts beyond what the read allows; none is known" }),
    incomplete: t.boolean({ description: "the mount table was longer than the read allows" }),
  }),
  reads: { mounts: sources.mounts },
  run({ params, reads }) {
    const { mounts, hidden = [], leftOut = 0, truncated } = reads.mounts;
    const limit = params.limit ?? DEFAULT_LIMIT;
    const places = [...mounts.toSorted(compareMountPoints), ...hidden.map(describeHidden)];
    const groups = [...Map.groupBy(places, identify).values()];
    const measured = groups.flatMap((group) => {
      const mount = group.find(isMeasured);
      return mount === undefined ? [] : describeUsage(mount, group.length);
    });
    const filesystems = measured
      .filter(({ totalBytes }) => params.all === true || totalBytes > 0)
      .sort(compareUse);
    const unreadable = groups.filter((group) => !group.some(isMeasured)).flatMap(describeFailure);
    return {
      filesystemCount: filesystems.length,
      filesystems: filesystems.slice(0, limit),
      unreadableCount: unreadable.length,
      unreadable: unreadable.slice(0, limit),
      withoutStorageCount: measured.length - filesystems.length,
      leftOutCount: leftOut,
      incomplete: truncated,
    };
  },
});

/**
 * What the mounts of one filesystem have in common: its device number. An agent of release 0.1.0
 * does not state it; then only the name of a real device identifies a filesystem.
 */
function identify({ deviceNumber, device, mountPoint }: Mount): string {
  return deviceNumber ?? (device.startsWith("/") ? device : mountPoint);
}

function isMeasured({ failure }: Mount): boolean {
  return failure === undefined;
}

function compareMountPoints(a: Mount, b: Mount): number {
  return a.mountPoint.length - b.mountPoint.length || compareText(a.mountPoint, b.mountPoint);
}

function compareUse(a: Usage, b: Usage): number {
  const rank = ({ type, totalBytes }: Usage): number =>
    totalBytes === 0 ? 2 : Number(WITHOUT_OWN_STORAGE.has(type));
  return (
    rank(a) - rank(b) || b.usedPercent - a.usedPercent || compareText(a.mountPoint, b.mountPoint)
  );
}

function describeUsage(mount: Mount, mountCount: number) {
  const { mountPoint, device, type } = mount;
  const totalBytes = mount.totalBytes ?? 0;
  const usedBytes = totalBytes - (mount.freeBytes ?? 0);
  const availableBytes = mount.availableBytes ?? 0;
  const inodes = mount.totalInodes ?? 0;
  return {
    mountPoint,
    mountCount,
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

/** Why a filesystem could not be measured, as the first of its mounts says. */
function describeFailure([mount]: readonly Mount[]) {
  if (mount?.failure === undefined) return [];
  const { mountPoint, type, failure } = mount;
  return { mountPoint, type, code: failure.code, reason: failure.message };
}

function describeHidden(mount: Hidden): Mount {
  const message = `${mount.mountPoint}: a later mount hides it, so no path leads to it`;
  return { ...mount, options: "", failure: { code: "READ_FAILED", message } };
}
