import type { Print } from "../data-command.ts";
import { describeEvidence, type VerifiedEvidence } from "./verify-file.ts";

/**
 * Prints what was found. The process ends with 1 when the file contradicts itself, and when the answer
 * should be computed again and was not.
 */
export function printVerdict(
  verified: VerifiedEvidence,
  { json }: { json?: boolean },
  print: Print,
): void {
  print(json ? JSON.stringify(verified) : describeEvidence(verified));
  const again = verified.findings.find(({ about }) => about === "recomputed");
  if (!verified.sound || (again ?? { state: "proven" }).state !== "proven") process.exitCode = 1;
}
