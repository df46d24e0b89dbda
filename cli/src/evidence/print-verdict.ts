import type { Print } from "../data-command.ts";
import { describeEvidence, type VerifiedEvidence } from "./verify-file.ts";

/** Prints what was found. The process ends with 1 when the file contradicts itself. */
export function printVerdict(
  verified: VerifiedEvidence,
  { json }: { json?: boolean },
  print: Print,
): void {
  print(json ? JSON.stringify(verified) : describeEvidence(verified));
  if (!verified.sound) process.exitCode = 1;
}
