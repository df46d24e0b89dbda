import type { ChildProcess } from "node:child_process";
import { errnoOf } from "./read-failure.ts";

/** Kills a child that leads a process group, and the whole group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // The group is already gone. EPERM cannot occur: under no_new_privs no child changes its user.
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}
