/** One row of `/proc/self/mountinfo`; proc_pid_mountinfo(5). */
export type Mount = {
  mountPoint: string;
  /** The source as whoever mounted it wrote it. It identifies nothing. */
  device: string;
  /** `MAJOR:MINOR`. The mounts of one filesystem share it, and no other filesystem has it. */
  deviceNumber: string;
  type: string;
  /**
   * The mount's own options. They include `ro` when only the filesystem was made read-only
   * (errors=remount-ro).
   */
  options: string;
  /** The filesystem's own options. They may name users of a share, so they never leave the runner. */
  filesystemOptions: string[];
  /** True when the path of the mount point leads to another mount, or to none. */
  isHidden: boolean;
};

type Row = { id: string; parentId: string; mount: Omit<Mount, "isHidden"> };

/** Parses a mount table. The mounts are sorted by mount point, and a later one follows an earlier. */
export function parseMountInfo(text: string): Mount[] {
  const rows = text.split("\n").flatMap((line) => parseRow(line) ?? []);
  const arrive = createWalk(rows);
  return rows
    .map(({ id, mount }) => ({ ...mount, isHidden: arrive(mount.mountPoint) !== id }))
    .sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : Number(a.mountPoint > b.mountPoint)));
}

function parseRow(line: string): Row | undefined {
  const [before = "", after = ""] = line.split(" - ", 2);
  const [id, parentId, deviceNumber, root, mountPoint, options] = before.split(" ");
  const [type, device, superOptions] = after.split(" ");
  if (id === undefined || parentId === undefined || deviceNumber === undefined) return undefined;
  if (root === undefined || mountPoint === undefined || options === undefined) return undefined;
  if (type === undefined) return undefined;
  const filesystemOptions = (superOptions ?? "").split(",");
  const mount = {
    mountPoint: unescape(mountPoint),
    device: unescape(device ?? ""),
    deviceNumber,
    type,
    options: filesystemOptions.includes("ro") ? options.replace(/^rw\b/, "ro") : options,
    filesystemOptions,
  };
  return { id, parentId, mount };
}

/** The parent of the topmost mounts: one that the table of this process does not contain. */
const OUTSIDE = "";

/**
 * Returns a function that walks a path as the kernel does: on each step it enters the mount that
 * is mounted there on the mount it comes from, and then any that is mounted on that one.
 *
 * @returns the id of the mount in which the walk ends
 */
function createWalk(rows: readonly Row[]): (path: string) => string {
  const ids = new Set(rows.map(({ id }) => id));
  const mounted = new Map<string, string>();
  for (const { id, parentId, mount } of rows) {
    const parent = ids.has(parentId) && parentId !== id ? parentId : OUTSIDE;
    mounted.set(`${parent} ${mount.mountPoint}`, id);
  }
  return (path) => {
    let here = OUTSIDE;
    for (const step of pathsTo(path)) {
      for (
        let next = mounted.get(`${here} ${step}`);
        next !== undefined;
        next = mounted.get(`${here} ${step}`)
      ) {
        here = next;
      }
    }
    return here;
  };
}

/**
 * `/`, `/a` and `/a/b` of `/a/b`. A mount whose folder was removed has a mount point that ends in
 * `//deleted`, to which none of the steps leads.
 */
export function pathsTo(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return ["/", ...parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)];
}

/** The kernel writes space, tab, newline, backslash and `#` as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
