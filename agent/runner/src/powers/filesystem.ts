import { SondeError } from "@sonde/schemas/errors";
import { type Failure, type FilesystemData } from "@sonde/schemas/reads";
import { readFileSync } from "node:fs";
import { type Sizes, askByProcess, askDirectly } from "./filesystem-size.ts";
import { type Mount, parseMountInfo, pathsTo } from "./mount-info.ts";
import type { Power } from "./power.ts";
import { readFailure } from "./read-failure.ts";

type Answer = Partial<Sizes> & { failure?: Failure };

/** More than a machine has, and few enough to ask. */
const MAX_MOUNTS = 4000;

const listOf = (types: string): Set<string> => new Set(types.split(" "));

/** Types that the kernel answers from memory. Most have no storage, and the others borrow it. */
const IN_MEMORY = listOf(
  "bdev binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs hugetlbfs mqueue " +
    "nsfs overlay proc pstore ramfs rootfs securityfs selinuxfs sysfs tmpfs tracefs",
);
/** Types that lie on a disk of this machine. */
const ON_DISK = listOf(
  "bcachefs btrfs erofs exfat ext2 ext3 ext4 f2fs iso9660 ntfs3 squashfs udf vfat xfs zfs",
);

/**
 * Lists every mount of the host and asks each filesystem for its size, once, however many mounts
 * it has. Asks local ones in this process. Any other may wait for a network or a daemon, and so
 * may a path through one: these are asked by a `stat -f` process each. If a server never answers,
 * its mounts get a `failure`; the others keep their sizes.
 */
export const readFilesystems: Power<"filesystem"> = async (source, _values, context) => {
  const all = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const ranked = all.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_MOUNTS);
  // Each filesystem gets half of the read's time, so that the others can still be reported
  // when one hangs.
  const half = AbortSignal.any([context.signal, AbortSignal.timeout(source.timeoutMs / 2)]);
  const answers = await askEach(
    ranked.filter(({ isHidden }) => !isHidden),
    half,
  );
  const list = new CappedList(source.maxBytes);
  const mounts: FilesystemData["mounts"] = [];
  const hidden: NonNullable<FilesystemData["hidden"]> = [];
  for (const mount of ranked) {
    const { mountPoint, device, deviceNumber, type, options } = mount;
    const name = { mountPoint, device, deviceNumber, type };
    if (mount.isHidden) list.add(hidden, name);
    else list.add(mounts, { ...name, options, ...answers.get(deviceNumber) });
  }
  mounts.sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
  const leftOut = all.length - mounts.length - hidden.length;
  return {
    data: { mounts, hidden, leftOut },
    truncated: leftOut > 0,
    bytes: list.bytes,
    margins: {},
  };
};

/** What has storage of its own comes first, so that a cap cuts the rest. */
function rank({ isHidden, type }: Mount): number {
  return isHidden ? 2 : Number(IN_MEMORY.has(type));
}

/** Returns the answer of each filesystem by its device number. */
async function askEach(mounts: Mount[], signal: AbortSignal): Promise<Map<string, Answer>> {
  const slow = new Set(
    mounts
      .filter(({ type }) => !IN_MEMORY.has(type) && !ON_DISK.has(type))
      .map(({ mountPoint }) => mountPoint),
  );
  const groups = [...Map.groupBy(mounts, ({ deviceNumber }) => deviceNumber)];
  return new Map(
    await Promise.all(
      groups.map(
        async ([deviceNumber, places]): Promise<[string, Answer]> => [
          deviceNumber,
          await askOne(places, slow, signal),
        ],
      ),
    ),
  );
}

/** Asks one filesystem: where the path to a mount is closed, at the next, and at slow ones last. */
async function askOne(places: Mount[], slow: Set<string>, signal: AbortSignal): Promise<Answer> {
  const isSlow = (mount: Mount): boolean =>
    [mount.mountPoint, ...layersOf(mount)].some((path) => pathsTo(path).some((at) => slow.has(at)));
  let failure: Failure | undefined;
  for (const mount of places.toSorted((a, b) => Number(isSlow(a)) - Number(isSlow(b)))) {
    try {
      return await ask(mount, isSlow(mount), signal);
    } catch (error) {
      const { code, message } = readFailure(error, mount.mountPoint);
      failure ??= { code, message };
      if (code !== "PERMISSION_NEEDED" && code !== "SOURCE_NOT_FOUND") break;
    }
  }
  return failure === undefined ? {} : { failure };
}

/** The folders of an overlay: one of them answers for it. */
function layersOf({ type, filesystemOptions }: Mount): string[] {
  if (type !== "overlay") return [];
  return filesystemOptions.flatMap((option) => {
    const [name = "", folders = ""] = option.split("=", 2);
    return name.endsWith("dir") || name.endsWith("dir+") ? folders.split(":") : [];
  });
}

async function ask(mount: Mount, isSlow: boolean, signal: AbortSignal): Promise<Sizes> {
  if (mount.type === "autofs") {
    throw new SondeError("READ_FAILED", "an automount point is not asked: that would mount it");
  }
  if (isSlow) return askByProcess(mount, signal);
  // An overlay asks a filesystem below it, which may lie on a disk.
  return askDirectly(mount, IN_MEMORY.has(mount.type) && mount.type !== "overlay");
}

/** Fills lists as long as their JSON stays within a number of bytes together. */
class CappedList {
  readonly #maxBytes: number;
  bytes = 0;
  #isFull = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add<T>(list: T[], entry: T): void {
    const bytes = Buffer.byteLength(JSON.stringify(entry));
    this.#isFull ||= this.bytes + bytes > this.#maxBytes;
    if (this.#isFull) return;
    this.bytes += bytes;
    list.push(entry);
  }
}
