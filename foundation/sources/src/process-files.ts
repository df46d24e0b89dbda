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

/** Memory, keys and message ring of the kernel, directly in `/proc`. */
export const UNREADABLE_OF_PROC: ReadonlySet<string> = new Set([
  "kcore",
  "keys",
  "kmsg",
  "kpagecgroup",
  "kpagecount",
  "kpageflags",
]);

/**
 * Whether a pack may read this of a process, whoever grants it. One rule for a
 * manifest's patterns and for the paths that runners really open.
 *
 * @param parts what follows `/proc/<process>/`; a part that is not fixed is not readable
 */
export function isReadableOfProcess(parts: readonly string[]): boolean {
  const [name, thread, ...rest] = parts;
  if (name === undefined) return true;
  if (!READABLE_OF_A_PROCESS.has(name)) return false;
  if (name !== "task" || thread === undefined) return true;
  return isReadableOfProcess(rest);
}
