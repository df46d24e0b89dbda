import { type Look, probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

type Mount = Look<"filesystem">["mounts"][number];

const DEFAULT_LIMIT = 50;

export const mounts = probe({
  description:
    "What is mounted where, with which options, without the space used. Disks that are mounted read-only " +
    "are first: a disk with errors is often remounted so. Kernel filesystems such as " +
    "proc and cgroup are left out unless all is true.",
  params: t.object({
    all: t.optional(t.boolean()),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    mountCount: t.integer(),
    mounts: t.array(
      t.object({
        mountPoint: t.string(),
        device: t.string(),
        type: t.string(),
        readOnly: t.boolean(),
        options: t.string(),
      }),
    ),
    hiddenCount: t.integer({ description: "mounts that a later one hides" }),
    leftOutCount: t.integer({ description: "beyond what the read allows" }),
    incomplete: t.boolean(),
  }),
  reads: { mounts: sources.mounts },
  run({ params, reads }) {
    const { mounts: found, hidden = [], leftOut = 0, truncated } = reads.mounts;
    const chosen = found
      .filter((mount) => params.all === true || !isOfKernel(mount))
      .map(({ mountPoint, device, type, options }) => ({
        ...{ mountPoint, device, type },
        readOnly: options.split(",").includes("ro"),
        options,
      }))
      .sort((a, b) => rank(a) - rank(b) || compareText(a.mountPoint, b.mountPoint));
    return {
      mountCount: chosen.length,
      mounts: chosen.slice(0, params.limit ?? DEFAULT_LIMIT),
      hiddenCount: hidden.length,
      leftOutCount: leftOut,
      incomplete: truncated,
    };
  },
});

const KERNEL = new Set(
  (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl " +
    "hugetlbfs mqueue nsfs proc pstore ramfs rpc_pipefs securityfs selinuxfs sysfs tracefs"
  ).split(" "),
);
/** Filesystems that are always read-only. */
const IMAGES = new Set(["squashfs", "erofs", "iso9660", "udf"]);

function isOfKernel({ type }: Mount): boolean {
  return KERNEL.has(type);
}

/** A disk that is read-only and whose filesystem need not be. */
function rank({ readOnly, device, type }: { readOnly: boolean; device: string; type: string }) {
  return readOnly && device.startsWith("/dev/") && !IMAGES.has(type) ? 0 : 1;
}
