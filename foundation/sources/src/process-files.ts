/**
 * An allow list of what a pack may read of a process. `mem`, `environ`, `fd`, `maps`,
 * `cwd`, `root`, `exe` and whatever a later kernel adds stay out (attack classes 49, 51,
 * 54).
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

/** The kernel's memory, keys and message ring, directly in `/proc`. */
export const UNREADABLE_OF_PROC: ReadonlySet<string> = new Set([
  "kcore",
  "keys",
  "kmsg",
  "kpagecgroup",
  "kpagecount",
  "kpageflags",
]);

/**
 * True when a pack may read this file of a process. Used for a manifest's patterns and
 * for the real paths that runners open.
 *
 * @param parts the segments after `/proc/<process>/`; a segment with a hole is not
 *   readable
 */
export function isReadableOfProcess(parts: readonly string[]): boolean {
  const [name, thread, ...rest] = parts;
  if (name === undefined) return true;
  if (!READABLE_OF_A_PROCESS.has(name)) return false;
  if (name !== "task" || thread === undefined) return true;
  return isReadableOfProcess(rest);
}
