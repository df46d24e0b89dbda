import { UNREADABLE_OF_PROC, isInPrivateFolder, isReadableOfProcess } from "@sonde/sources";

const PROCESS = /^([0-9]+|self|thread-self)$/;

/**
 * Returns why no pack may ever read `path`, or null. This is the check of the real path
 * at run time. Build and registry check declared paths with `reachesPrivatePath` of
 * `@sonde/sources`. A procfs mounted elsewhere (a chroot's) is covered by name.
 *
 * @param path absolute and normalised
 */
export function whyPrivate(path: string, denyPaths: string[]): string | null {
  if (denyPaths.some((denied) => path === denied || path.startsWith(`${denied}/`))) {
    return "it belongs to the agent";
  }
  // A hole with a root, such as /etc, can lead here though the manifest names no such folder.
  if (isInPrivateFolder(path)) return "it is a device or belongs to Sonde";
  const parts = path.split("/");
  for (const [index, part] of parts.entries()) {
    if (part !== "proc") continue;
    const [first, ...rest] = parts.slice(index + 1);
    if (first === undefined) continue;
    if (UNREADABLE_OF_PROC.has(first)) return "it shows the kernel's memory or keys";
    if (PROCESS.test(first) && !isReadableOfProcess(rest)) {
      return "it may show a process's memory, environment or open files";
    }
  }
  return null;
}
