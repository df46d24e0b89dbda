import { readFileSync } from "node:fs";

/**
 * Resident memory of a process in bytes (VmRSS of proc_pid_status(5)): the kernel counts pages in
 * `statm`, whose size is the machine's.
 *
 * @returns 0 for a process that has ended or never started
 */
export function residentBytes(pid: number | null | undefined): number {
  if (pid === null || pid === undefined) return 0;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    // ESRCH: it ended between opening and reading.
    if (code === "ENOENT" || code === "ESRCH") return 0;
    throw thrown;
  }
}
