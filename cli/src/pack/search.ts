import { SondeError } from "@sonde/schemas/errors";
import { CATEGORIES, ENGINES, type PackReach } from "@sonde/schemas/manifest";
import { PACK_ORDERS, type PackSummary, parsePackList } from "@sonde/schemas/registry";
import { describeCategory, describeEngine, describeGroup, describeLevel } from "@sonde/sources";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { parseRegistry, requestRegistry } from "./registry-request.ts";

type Options = {
  registry: string;
  category?: string;
  engine?: string;
  publisher?: string;
  sort?: string;
};

/** `sonde-pack search`: what a registry has, with what each pack could reach. */
export const addSearch: AddCommand = (program, report) => {
  startCommand(program, "search [words...]", "find packs in a registry")
    .requiredOption("--registry <url>", "https://..., or http:// on loopback")
    .option("--category <name>", `only what reads this: ${CATEGORIES.join(", ")}`)
    .option("--engine <name>", `only of this program: ${ENGINES.join(", ")}`)
    .option("--publisher <name>", "only of this publisher")
    .option("--sort <order>", `by ${PACK_ORDERS.join(", ")}`)
    .action((words: string[], options: Options, command) =>
      report(command, async () => {
        const { category, engine, publisher, sort } = options;
        demandOneOf("category", CATEGORIES, category);
        demandOneOf("engine", ENGINES, engine);
        demandOneOf("sort", PACK_ORDERS, sort);
        const query = new URLSearchParams({
          ...{ q: words.join(" "), limit: "100" },
          ...(category !== undefined && { category }),
          ...(engine !== undefined && { engine }),
          ...(publisher !== undefined && { publisher }),
          ...(sort !== undefined && { sort }),
        });
        const registry = parseRegistry(options.registry);
        const answer = await requestRegistry(registry, `/search?${query.toString()}`);
        const { packs, cursor } = parsePackList(answer);
        const more = cursor === null ? [] : ["There are more: use other words or a filter."];
        const lines = packs.length === 0 ? ["No pack was found."] : packs.map(describeSummary);
        return { data: { packs, isWhole: cursor === null }, text: [...lines, ...more].join("\n") };
      }),
    );
};

function demandOneOf(what: string, known: readonly string[], value: string | undefined): void {
  if (value === undefined || known.includes(value)) return;
  throw new SondeError(
    "BAD_REQUEST",
    `--${what}: expected one of ${known.join(", ")}, got ${JSON.stringify(value)}`,
  );
}

function describeSummary(pack: PackSummary): string {
  const { name, latest, description, reach, deprecated, advisories } = pack;
  return [
    `${name} ${latest ?? "(every version withdrawn)"}  ${describeReach(reach)}`,
    `  ${description}`,
    ...(deprecated === null ? [] : [`  deprecated: ${deprecated}`]),
    ...advisories.map(({ id, severity }) => `  advisory ${id}, ${severity}`),
  ].join("\n");
}

/** The words of the badges of a registry's pages. */
function describeReach({ capability, groups, reads, engines }: PackReach): string {
  const words = [
    describeLevel(capability).label,
    ...groups.map(({ name }) => describeGroup(name).label),
    ...reads.map(({ category, count }) => `${describeCategory(category).label} ${count}`),
  ];
  const programs = engines.length === 0 ? "" : `  (${engines.map(describeEngine).join(", ")})`;
  return `[${words.join(" | ")}]${programs}`;
}
