import { type PackExplanation } from "@sonde/schemas/agent";
import { type Requires } from "@sonde/schemas/manifest";
import { describeSigner, markUnsigned } from "@sonde/schemas/trust";
import { type PackReport } from "@sonde/schemas/wire";

/** The text that a person reads before approving: signer, requirements and every exact read. */
export function describePack(pack: PackExplanation): string {
  const lines = [
    `${pack.name} ${pack.version}  (${pack.state})`,
    `  signed by  ${describeSigner(pack.signer)}`,
    `  archive    ${pack.digest}`,
    "  asks for",
    ...describeRequires(pack.requires).map((line) => `    ${line}`),
  ];
  for (const probe of pack.probes) {
    lines.push(`  ${probe.id}  [${probe.capability}]`, `    ${probe.description}`);
    for (const read of probe.reads) lines.push(`    - ${read.what}  (as ${read.runsAs})`);
  }
  for (const command of pack.before) lines.push(`  first: ${command}`);
  return lines.join("\n");
}

export function describeReport(pack: PackReport): string {
  const reason = pack.reason === null ? "" : `  ${pack.reason.code}: ${pack.reason.message}`;
  return `${pack.name} ${pack.version}${markUnsigned(pack.signer)}  ${pack.state}${reason}`;
}

function describeRequires(requires: Requires): string[] {
  const lines = Object.entries(requires)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(", ")}`);
  return lines.length === 0 ? ["nothing"] : lines;
}
