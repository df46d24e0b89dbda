/**
 * What a pack may read of a process. A list of what is allowed, not of what is
 * not: `mem`, `environ`, `fd`, `maps`, `cwd`, `root`, `exe` and whatever a later
 * kernel adds stay out (attack classes 49, 51, 54).
 */
const READABLE_OF_A_PROCESS = new Set([
  "cgroup",
  "cmdline",
  "comm",
  "cpuset",
  "io",
  "limits",
  "loginuid",
  "mountinfo",
  "mounts",
  "mountstats",
  "net",
  "oom_adj",
  "oom_score",
  "oom_score_adj",
  "sched",
  "schedstat",
  "sessionid",
  "stat",
  "statm",
  "status",
  "task",
  "wchan",
]);

/** Memory and message ring of the kernel. */
const UNREADABLE_OF_PROC = new Set(["kcore", "kmsg", "kpagecount", "kpageflags", "kpagecgroup"]);

const PROCESS = /^([0-9]+|self|thread-self)$/;

/**
 * Why no pack may ever read `path`, or null. The path is absolute and normalised.
 * A procfs mounted elsewhere (a chroot's) falls under the same rule by its name.
 */
export function forbiddenReason(path: string, denyPaths: string[]): string | null {
  if (denyPaths.some((denied) => path === denied || path.startsWith(`${denied}/`))) {
    return "it belongs to the agent";
  }
  const parts = path.split("/");
  for (const [index, part] of parts.entries()) {
    if (part !== "proc") continue;
    const [first, ...rest] = parts.slice(index + 1);
    if (first === undefined) continue;
    if (UNREADABLE_OF_PROC.has(first)) return "it shows the kernel's memory";
    if (PROCESS.test(first) && !isReadableOfProcess(rest)) {
      return "it may show a process's memory, environment or open files";
    }
  }
  return null;
}

function isReadableOfProcess(parts: string[]): boolean {
  const [name, thread, ...rest] = parts;
  if (name === undefined) return true;
  if (!READABLE_OF_A_PROCESS.has(name)) return false;
  if (name !== "task" || thread === undefined) return true;
  return isReadableOfProcess(rest);
}
