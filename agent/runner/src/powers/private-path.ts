import { UNREADABLE_OF_PROC, isReadableOfProcess } from "@sonde/sources";

const PROCESS = /^([0-9]+|self|thread-self)$/;

/**
 * Why no pack may ever read `path`, or null: the check at run time, of the real path. Build and registry
 * check what a manifest declares with `reachesPrivatePath` of `@sonde/sources`. The path is absolute and normalised.
 * A procfs mounted elsewhere (a chroot's) falls under the same rule by its name.
 */
export function whyPrivate(path: string, denyPaths: string[]): string | null {
  if (denyPaths.some((denied) => path === denied || path.startsWith(`${denied}/`))) {
    return "it belongs to the agent";
  }
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
