import { readFileSync } from "node:fs";
import { parseMountInfo } from "./mount-info.ts";

const HIDING = new Set(["2", "invisible", "4", "ptraceable"]);
/** Members of proc's `gid` see every process, except under this mode. */
const GROUP_IS_NO_HELP = new Set(["4", "ptraceable"]);

/**
 * True when the kernel leaves other users' processes out of `/proc` for this one: the option
 * `hidepid` of its mount; proc(5). Kernels before 5.8 write it as a number.
 */
export function areProcessesHidden(): boolean {
  const mounts = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const proc = mounts.find(({ mountPoint, isHidden }) => mountPoint === "/proc" && !isHidden);
  const valueOf = (name: string): string | undefined =>
    proc?.filesystemOptions.find((option) => option.startsWith(`${name}=`))?.split("=")[1];
  const mode = valueOf("hidepid") ?? "";
  const group = Number(valueOf("gid") ?? 0);
  const isMember = process.getegid?.() === group || process.getgroups?.().includes(group) === true;
  return HIDING.has(mode) && (GROUP_IS_NO_HELP.has(mode) || !isMember);
}
