import type { ChildProcess } from "node:child_process";
import { errnoOf } from "./read-failure.ts";

/** Kills a child that leads its own process group, and everything in that group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // Gone already. EPERM cannot be: under no_new_privs no child changes its user.
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}
