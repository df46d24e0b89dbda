import { SondeError } from "@sonde/schemas/errors";
import { type FilesystemData } from "@sonde/schemas/reads";
import { readFile, statfs } from "node:fs/promises";
import { type Mount, parseMountInfo } from "./mount-info.ts";
import type { Power } from "./power.ts";
import { readFailure } from "./read-failure.ts";
import { runCommand } from "./run-command.ts";

type MountEntry = FilesystemData["mounts"][number];
type Sizes = Pick<
  MountEntry,
  "totalBytes" | "freeBytes" | "availableBytes" | "totalInodes" | "freeInodes"
>;

const MAX_MOUNTS = 1000;

/**
 * Types that this machine answers from memory or disk. Every other type may wait for a
 * network or a daemon.
 */
const LOCAL = new Set(
  (
    "bcachefs bdev binfmt_misc bpf btrfs cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs " +
    "erofs exfat ext2 ext3 ext4 f2fs hugetlbfs iso9660 mqueue nsfs ntfs3 overlay proc pstore ramfs " +
    "rootfs securityfs selinuxfs squashfs sysfs tmpfs tracefs udf vfat xfs zfs"
  ).split(" "),
);

/**
 * Asks every mount of the host for its size. Asks local mounts in this process. Asks any
 * other mount, and mounts beneath one, by a `stat -f` process each. If a server never
 * answers, its process is killed and its mount gets a `failure`; the other mounts keep
 * their sizes.
 */
export const readFilesystems: Power<"filesystem"> = async (source, _values, context) => {
  const text = await readFile("/proc/self/mountinfo", "utf8");
  const all = parseMountInfo(text);
  const mounts = all.slice(0, MAX_MOUNTS);
  const remote = mounts.filter((mount) => !LOCAL.has(mount.type));
  // Each mount gets half of the read's time, so that the others can still be reported
  // when one hangs.
  const perMount = AbortSignal.any([context.signal, AbortSignal.timeout(source.timeoutMs / 2)]);
  const entries = await Promise.all(
    mounts.map(async (mount): Promise<MountEntry> => {
      try {
        return { ...mount, ...(await askSizes(mount, remote, perMount)) };
      } catch (error) {
        const { code, message } = readFailure(error, mount.mountPoint);
        return { ...mount, failure: { code, message } };
      }
    }),
  );
  return cutToBytes(entries, source.maxBytes, all.length > mounts.length);
};

async function askSizes(mount: Mount, remote: Mount[], signal: AbortSignal): Promise<Sizes> {
  if (mount.type === "autofs") {
    throw new SondeError("READ_FAILED", "an automount point is not asked: that would mount it");
  }
  if (remote.some((other) => isBeneath(mount.mountPoint, other.mountPoint))) {
    return askByCommand(mount.mountPoint, signal);
  }
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(mount.mountPoint);
  return sizes([bsize, blocks, bfree, bavail, files, ffree]);
}

function isBeneath(path: string, root: string): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}

async function askByCommand(mountPoint: string, signal: AbortSignal): Promise<Sizes> {
  const argv = ["-f", "--format=%S %b %f %a %c %d", "--", mountPoint];
  const output = await runCommand("stat", argv, 1000, signal);
  const numbers = output.stdout.toString("latin1").trim().split(" ").map(Number);
  if (output.exitCode !== 0 || numbers.length !== 6 || !numbers.every(Number.isFinite)) {
    const denied = /permission denied/i.test(output.stderr.toString("latin1"));
    const code = denied ? "PERMISSION_NEEDED" : "READ_FAILED";
    throw new SondeError(code, `${mountPoint}: its size could not be asked`);
  }
  return sizes(numbers);
}

function sizes(numbers: number[]): Sizes {
  const [unit, total, free, available, totalInodes, freeInodes] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    totalBytes: total * unit,
    freeBytes: free * unit,
    availableBytes: available * unit,
    totalInodes,
    freeInodes,
  };
}

function cutToBytes(mounts: MountEntry[], maxBytes: number, wasCut: boolean) {
  let bytes = 0;
  const kept = mounts.filter((mount) => {
    bytes += Buffer.byteLength(JSON.stringify(mount));
    return bytes <= maxBytes;
  });
  const truncated = wasCut || kept.length < mounts.length;
  return { data: { mounts: kept }, truncated, bytes: Math.min(bytes, maxBytes) };
}
