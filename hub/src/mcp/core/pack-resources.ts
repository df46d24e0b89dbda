import { toPlainLine } from "@sonde/schemas/plain-text";
import type { Runbook } from "@sonde/schemas/manifest";
import type { HubPack } from "../../directory/index.ts";
import { cutPages } from "./pages.ts";
import { fence } from "./render-text.ts";

// What a person or a program reads of a pack: its README, which the publisher wrote, and its runbook,
// which a person approved. Who may call a tool of the pack may read them.

/** As `resources/list` gives it. */
export type ResourceDefinition = {
  uri: string;
  name: string;
  title: string;
  description: string;
  mimeType: string;
};

export type PackResource = {
  definition: ResourceDefinition;
  pack: HubPack;
  runbook: Runbook | null;
};

/**
 * The resources of some packs, by address. Of two archives of one version, which only unsigned packs
 * have, the later one is shown.
 *
 * @param runbookOf null when there is none, or none that was approved
 */
export function listPackResources(
  packs: readonly HubPack[],
  runbookOf: (pack: HubPack) => Runbook | null,
): ReadonlyMap<string, PackResource> {
  const resources = packs.flatMap((pack) => {
    const runbook = runbookOf(pack);
    return [
      { definition: defineReadme(pack), pack, runbook: null },
      ...(runbook === null ? [] : [{ definition: defineRunbook(pack), pack, runbook }]),
    ];
  });
  const byAddress = resources.toSorted(({ definition: a }, { definition: b }) =>
    a.uri < b.uri ? -1 : a.uri > b.uri ? 1 : 0,
  );
  return new Map(byAddress.map((resource) => [resource.definition.uri, resource]));
}

/** The grammar of names and versions has nothing that an address would escape. */
const addressOf = ({ name, version }: HubPack, file: string) =>
  `sonde://packs/${name}/${version}/${file}`;

function defineReadme(pack: HubPack): ResourceDefinition {
  const { name, version } = pack;
  return {
    uri: addressOf(pack, "README.md"),
    name: `${name} ${version} README`,
    title: `What ${name} is for`,
    description: `What the publisher says of ${name} ${version}. Nobody approved these words.`,
    mimeType: "text/markdown",
  };
}

function defineRunbook(pack: HubPack): ResourceDefinition {
  const { name, version } = pack;
  return {
    uri: addressOf(pack, "runbook.json"),
    name: `${name} ${version} runbook`,
    title: `How ${name} finds what is wrong`,
    description: `The probes that diagnose asks of ${name} ${version}, and what it judges as a finding.`,
    mimeType: "application/json",
  };
}

/**
 * Writes what a README says as data, since nobody approved its words: one page of it, for clients
 * refuse longer answers.
 *
 * @param mark a text that the publisher cannot know
 */
export function writeReadme({ name, version }: HubPack, readme: string, mark: string): string {
  const lines = readme.split(/\r?\n/).map((line) => toPlainLine(line.replaceAll("\t", "    ")));
  const text = fence(lines, mark, ` of the publisher of ${name} ${version}`).join("\n");
  const [page = "", ...more] = cutPages(text, mark).pages;
  return more.length === 0
    ? page
    : `${page}\nThe rest of ${readme.length} characters was left out.`;
}
