import type { PackSummary, PackVersions } from "@sonde/schemas/registry";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { addAssignCommands } from "./assign-commands.ts";
import { parsePackName } from "./read-pack-spec.ts";

/** `sonde packs [search | info | install | approve | revoke]`: packs of the registry and of agents. */
export function addPackCommands(program: Command, print: Print): void {
  const packs = program
    .command("packs")
    .description("packs: find them in the hub's registry, and decide which agents have which");
  startHubCommand(
    packs,
    "search [words...]",
    "packs of the hub's registry that match some words, by the registry's own word",
  ).action(async (words: string[], options: HubOptions) => {
    const found = await connectHub(options).client.searchPacks(words.join(" "));
    print(options.json ? JSON.stringify({ packs: found }) : describeFound(found));
  });

  startHubCommand(
    packs,
    "info <pack>",
    "the versions of a pack in the hub's registry, by the registry's own word",
  ).action(async (pack: string, options: HubOptions) => {
    const known = await connectHub(options).client.readPack(parsePackName(pack));
    print(options.json ? JSON.stringify(known) : describePack(known));
  });

  addAssignCommands(packs, print);

  startHubCommand(
    packs,
    "approve <pack>",
    "approve what changed in a pack's tool descriptions or parameters",
  ).action(async (pack: string, options: HubOptions) => {
    parsePackName(pack);
    const { client } = connectHub(options);
    const wanted = (await client.listAgents()).flatMap(({ desired }) =>
      desired.filter(({ name }) => name === pack).map(({ digest }) => digest),
    );
    const held = (await client.listPins()).held.filter(({ packDigest }) =>
      wanted.includes(packDigest),
    );
    for (const digest of new Set(held.map(({ packDigest }) => packDigest))) {
      await client.approveTools(digest);
    }
    const probes = held.map(({ probe }) => probe);
    print(
      options.json
        ? JSON.stringify({ approved: probes })
        : probes.map((probe) => `approved ${probe}`).join("\n") || "nothing was held",
    );
  });
}

function describeFound(found: readonly PackSummary[]): string {
  if (found.length === 0)
    return "No pack of the registry matches. Without words: sonde packs search";
  return formatTable(
    ["PACK", "NEWEST", "DOWNLOADS", "DESCRIPTION"],
    found.map(({ name, latest, downloads, description }) => [
      ...[name, latest ?? "none", String(downloads), description],
    ]),
  );
}

function describePack({ name, latest, deprecated, advisories, versions }: PackVersions): string {
  return [
    `${name}: the newest version is ${latest ?? "none"}.`,
    ...(deprecated === null ? [] : [`Its publisher advises against it: ${deprecated}`]),
    ...advisories.map(({ id, severity, text }) => `Advisory ${id} (${severity}): ${text}`),
    formatTable(
      ["VERSION", "PUBLISHED", "STATE", "DIGEST"],
      versions.map(({ version, publishedAt, state, digest }) => [
        ...[version, publishedAt, describeState(state), digest],
      ]),
    ),
    `Next: sonde packs install ${name}`,
  ].join("\n");
}

function describeState({ yanked, quarantined }: PackVersions["versions"][number]["state"]): string {
  if (quarantined !== null) return `quarantined: ${quarantined}`;
  return yanked === null ? "published" : `yanked: ${yanked}`;
}
