import type { CallProvenance } from "@sonde/schemas/hub";
import type { Answer } from "./first-question.ts";

/** The answer and its provenance, for a person. */
export function describeAnswer(answer: Answer, origin: CallProvenance): string {
  const [result] = answer.results;
  return [
    `Question  ${answer.tool} on ${result?.agent ?? "?"}`,
    indent(JSON.stringify(result?.data, null, 2)),
    "",
    "Where this answer comes from",
    `  pack      ${origin.pack.name} ${origin.pack.version}, ${origin.pack.digest}`,
    `  signed by ${origin.pack.signer}`,
    `  approved  ${origin.approved === null ? "-" : `by ${origin.approved.by} at ${origin.approved.at}`}`,
    ...origin.reads.map(
      (read) => `  read      ${read.what} (${read.bytes} bytes, ${read.ms.toFixed(1)} ms)`,
    ),
    ...origin.hops.map(({ hop, ms }) => `  ${ms.toFixed(1).padStart(7)} ms  ${hop}`),
    `  audit     hub entries ${origin.audit.hub.map(({ seq }) => seq).join(" and ")}, agent entry ${origin.audit.agent?.size ?? "-"}`,
    `  redacted  ${result?.redactions.count ?? 0} values`,
  ].join("\n");
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
