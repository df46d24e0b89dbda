export type Mount = { mountPoint: string; device: string; type: string; options: string };

/**
 * Parses `/proc/self/mountinfo` (proc_pid_mountinfo(5)). Leaves out a mount point that a
 * later mount covers, since only the topmost mount can be asked. `options` are the
 * mount's own. They include `ro` when only the file system was made read-only
 * (errors=remount-ro). The file system's other options are left out, since they may name
 * users of a share.
 */
export function parseMountInfo(text: string): Mount[] {
  const topmost = new Map<string, Mount>();
  for (const line of text.split("\n")) {
    const [before, after] = line.split(" - ", 2);
    const mountPoint = before?.split(" ")[4];
    const options = before?.split(" ")[5];
    const [type, device, superOptions] = after?.split(" ") ?? [];
    if (mountPoint === undefined || options === undefined || type === undefined) continue;
    const point = unescape(mountPoint);
    topmost.delete(point);
    topmost.set(point, {
      mountPoint: point,
      device: unescape(device ?? ""),
      type,
      options: superOptions?.split(",").includes("ro") ? options.replace(/^rw\b/, "ro") : options,
    });
  }
  return [...topmost.values()].sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
