import type { CallProvenance } from "@sonde/schemas/hub";
import { drawDisks } from "./draw-disks.ts";
import type { Answer } from "./first-question.ts";

/** The answer and its provenance, for a person. */
export function describeAnswer(answer: Answer, origin: CallProvenance): string {
  const [result] = answer.results;
  return [
    `Question  ${answer.tool} on ${result?.agent ?? "?"}`,
    drawDisks(result?.data) ?? indent(JSON.stringify(result?.data, null, 2)),
    "",
    "Where this answer comes from",
    `  pack      ${origin.pack.name} ${origin.pack.version}, ${origin.pack.digest}`,
    `  signed by ${origin.pack.signer}`,
    `  approved  ${describeApproval(origin.approved)}`,
    ...origin.reads.map(
      (read) => `  read      ${read.what} (${read.bytes} bytes, ${read.ms.toFixed(1)} ms)`,
    ),
    ...origin.hops.map(({ hop, ms }) => `  ${ms.toFixed(1).padStart(7)} ms  ${hop}`),
    `  audit     hub entries ${origin.audit.hub.map(({ seq }) => seq).join(" and ")}, agent entry ${origin.audit.agent?.size ?? "-"}`,
    `  redacted  ${result?.redactions.count ?? 0} values`,
  ].join("\n");
}

function describeApproval(approved: CallProvenance["approved"]): string {
  if (approved === null) return "-";
  if (approved === "unrecorded") return "not recorded: the call was made by release 0.1.0";
  return `by ${approved.by} at ${approved.at}`;
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
