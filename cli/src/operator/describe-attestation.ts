import type { AgentAttestation, Difference } from "@sonde/schemas/hub";
import { toPlainText } from "@sonde/schemas/plain-text";
import type { AgentStatement } from "@sonde/schemas/wire";
import { describeAttested } from "./describe-agents.ts";

/** Output of `sonde agents show` for a person: the difference from what was approved, then the statement. */
export function describeAttestation(attestation: AgentAttestation): string {
  const { agent, state, attestedAt, approvedAt, approvedBy, differences, statement } = attestation;
  const of = (drift: Difference["drift"]) => differences.filter((one) => one.drift === drift);
  const [review, expected] = [of("review"), of("expected")];
  const summary = { state, review: review.length, expected: expected.length };
  return [
    `${agent}: ${describeAttested(summary)}`,
    attestedAt === null ? "It never attested." : `Its last statement came at ${attestedAt}.`,
    approvedAt === null
      ? "Nobody approved a statement of it."
      : `Approved at ${approvedAt} by ${approvedBy ?? "nobody"}.`,
    ...listDifferences("To review:", review),
    ...listDifferences("Expected:", expected),
    ...(differences.length > 0 || state === "unapproved"
      ? [`To approve it as it is now: sonde agents accept-drift ${agent}`]
      : []),
    ...(statement === null ? [] : describeStatement(statement)),
    "A statement is the word of the agent's own software: whoever is root on its host can falsify it.",
  ].join("\n");
}

function listDifferences(title: string, differences: readonly Difference[]): string[] {
  if (differences.length === 0) return [];
  return [
    title,
    ...differences.flatMap(({ what, approved, stated }) => [
      `  ${oneLine(what)}`,
      `    approved  ${oneLine(approved ?? "(none)")}`,
      `    now       ${oneLine(stated ?? "(gone)")}`,
    ]),
  ];
}

function describeStatement(statement: AgentStatement): string[] {
  const { os, kernel, arch, bootId, lsm, secureBoot, tpm } = statement;
  const { agentVersion, runtimeVersion, maxCapability, files, packs, grants, processes } =
    statement;
  return [
    "What it states:",
    `  system    ${oneLine(`${os}, Linux ${kernel}, ${arch}, boot ${bootId}`)}`,
    `  guards    ${oneLine(`Secure Boot ${secureBoot}, TPM ${tpm}, security modules ${lsm}`)}`,
    `  agent     ${agentVersion} on Node ${oneLine(runtimeVersion)}, may ${maxCapability}`,
    ...files.map(({ kind, path, sha256, seen }) =>
      oneLine(`  ${kind} ${path} ${sha256 ?? `not readable, ${seen ?? "unknown"}`}`),
    ),
    ...packs.map(({ name, version, digest }) => `  pack ${name} ${version} ${digest}`),
    ...grants.map(({ pack, sha256 }) => `  grant ${pack} ${sha256}`),
    ...processes.map(({ role, groupNames, rights: { uids, noNewPrivs, capabilities } }) =>
      oneLine(
        `  ${role} uid ${uids[0]} groups ${groupNames.join(", ") || "none"} capabilities ${
          capabilities.effective
        } NoNewPrivs ${noNewPrivs ? "yes" : "NO"}`,
      ),
    ),
  ];
}

/** A host chooses the names of its files. */
function oneLine(text: string): string {
  return toPlainText(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}
