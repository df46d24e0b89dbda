import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Sends SIGHUP to a service. @returns the next line of its log */
export async function hangUp(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error("expected a service whose log is piped");
  const lines = createInterface({ input: child.stderr });
  child.kill("SIGHUP");
  const [line] = (await once(lines, "line")) as [string];
  lines.close();
  child.stderr.resume();
  return line;
}
