import { type PackExplanation } from "@sonde/schemas/agent";
import { type Requires } from "@sonde/schemas/manifest";
import { describeSigner, markUnsigned } from "@sonde/schemas/trust";
import { type PackReport } from "@sonde/schemas/wire";
import { describeWindow, isRootGroup, listItems } from "@sonde/sources";
import { describeEndpoints } from "./endpoints.ts";

/**
 * The text that a person reads before approving: signer, requirements and every exact read.
 *
 * @param endpoints where the pack may connect to once it is approved
 */
export function describePack(pack: PackExplanation, endpoints = pack.endpoints): string {
  const lines = [
    `${pack.name} ${pack.version}  (${pack.state})`,
    `  signed by  ${describeSigner(pack.signer)}`,
    `  archive    ${pack.digest}`,
    ...(pack.reason === null ? [] : [`  ${pack.reason.code}: ${pack.reason.message}`]),
    ...describeChanges(pack),
    ...describeHubPart(pack),
    "  asks for",
    ...describeItems(pack).map((line) => `    ${line}`),
    ...describeEndpoints(pack, endpoints),
    "  reads at most",
    ...pack.windows.map((window) => `    ${describeWindow(window)}`),
  ];
  for (const probe of pack.probes) {
    lines.push(`  ${probe.id}  [${probe.capability}]`, `    ${probe.description}`);
    if (probe.lacks.length > 0) {
      lines.push(`    cannot be called: ${probe.lacks.join(", ")} was not granted`);
    }
    for (const read of probe.reads) lines.push(`    - ${read.what}  (as ${read.runsAs})`);
  }
  for (const command of pack.before) lines.push(`  first: ${command}`);
  return lines.join("\n");
}

/** What is new and what is gone against what was granted; nothing before the first approval. */
export function describeChanges({ granted, missing, wider, gone }: PackExplanation): string[] {
  if (granted === null) return [];
  const list = (sign: string, requires: Requires): string[] =>
    listItems(requires).map((item) => `    ${sign} ${item}`);
  const more = wider.map((window) => `    + reads at most: ${describeWindow(window)}`);
  const lines = [...list("+", missing), ...more, ...list("-", gone)];
  return [
    `  beside what ${granted.by} approved at ${granted.at}`,
    ...(lines.length === 0 ? ["    nothing new, nothing gone"] : lines),
  ];
}

/** What of the grant was given at the hub, and what of the rest could be. */
function describeHubPart({ hub: { granted, mayGrant, revoked } }: PackExplanation): string[] {
  if (revoked) return ["  revoked on this host: the hub cannot grant any of it"];
  const given = new Set(granted?.items);
  const rest = mayGrant.filter((item) => !given.has(item));
  return [
    ...(granted === null ? [] : [`  granted by ${granted.by} at ${granted.at}`]),
    ...[...given].map((item) => `    ${item}`),
    ...(rest.length === 0 ? [] : [`  the hub may grant  ${rest.join(", ")}`]),
  ];
}

/** The question before a grant. */
export function askForGrant({ name, version, reason }: PackExplanation): string {
  return reason?.code === "PACK_DOWNGRADE"
    ? `Go back to ${name} ${version} on this host, and grant it this?`
    : `Grant this to ${name} on this host?`;
}

export function describeReport(pack: PackReport): string {
  const reason = pack.reason === null ? "" : `  ${pack.reason.code}: ${pack.reason.message}`;
  return `${pack.name} ${pack.version}${markUnsigned(pack.signer)}  ${pack.state}${reason}`;
}

/** One line for each item, by the name that an approval of single items takes. */
function describeItems({ items, granted, requires }: PackExplanation): string[] {
  const lines = items.map(({ item, state }) => {
    if (state === "withheld") return `${item}  (not granted)`;
    return state === "asked" && granted !== null ? `${item}  (new)` : item;
  });
  const root = requires.groups.filter(isRootGroup);
  if (root.length > 0) {
    lines.push(
      `whoever is in ${root.join(" or ")} can become root: the runner of this pack, which only does the reads below, and nobody else gets it`,
    );
  }
  return lines.length === 0 ? ["nothing"] : lines;
}
