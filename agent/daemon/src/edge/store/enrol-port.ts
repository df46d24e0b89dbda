import { readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";

const FILE = "enrol-port";

/**
 * The port of the hub's enrol listener, as it was at enrolment or as the hub said it last; null when
 * an earlier release enrolled this agent and the hub never said it.
 *
 * @param folder `<stateDir>/identity`
 */
export function readEnrolPort(folder: string): number | null {
  try {
    return Number(readFileSync(join(folder, FILE), "utf8"));
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  }
}

/** Keeps the port, durably. */
export function writeEnrolPort(folder: string, port: number): void {
  if (readEnrolPort(folder) !== port) replaceFile(join(folder, FILE), `${port}\n`);
}
