import type { AuditHold, AuditHoldList, HoldFilters } from "@sonde/schemas/audit-hold";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type { Command } from "commander";
import { formatTable } from "../table.ts";
import { type FilterOptions, readFilters } from "./audit-filters.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

type Print = (text: string) => void;
type AddOptions = FilterOptions & { reason: string };

/** Adds `sonde audit hold add | list | remove`: what the hub keeps, whatever its retention says. */
export function addHoldCommands(audit: Command, print: Print): void {
  const hold = audit
    .command("hold")
    .description("legal holds: what the hub's log keeps, whatever its retention says");
  startHubCommand(hold, "add", "keep all entries that fit; without a filter the whole log")
    .requiredOption("--reason <text>", "why, in one line; it is on record")
    .option("--person <name>", "what a person did, and what names them: a name or an id")
    .option("--agent <name>", "one agent")
    .option("--since <time>", "from then on: 2026-03-01, 2026-03-01T12:30Z, or 30m, 2h, 7d ago")
    .option("--until <time>", "before then")
    .action(async (options: AddOptions) => {
      const { client } = connectHub(options);
      const { person, agent, since, until } = await readFilters(options, client, new Date());
      const filters = dropUndefined({ person, agent, since, until });
      const made = await client.addAuditHold({ reason: options.reason, filters });
      print(options.json ? JSON.stringify(made) : `${describeHold(made)}\nIts id is ${made.id}.`);
    });
  startHubCommand(hold, "list", "the holds that there are", { isDefault: true }).action(
    async (options: HubOptions) => {
      const list = await connectHub(options).client.listAuditHolds();
      print(options.json ? JSON.stringify(list) : describeHolds(list));
    },
  );
  startHubCommand(
    hold,
    "remove <id>",
    "end a hold: what it alone kept may be dropped from then on",
  ).action(async (id: string, options: HubOptions) => {
    const list = await connectHub(options).client.removeAuditHold(id);
    print(options.json ? JSON.stringify(list) : describeHolds(list));
  });
}

function dropUndefined(filters: { [Name in keyof HoldFilters]: HoldFilters[Name] | undefined }) {
  const said = Object.entries(filters).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said) as HoldFilters;
}

function describeHold({ filters }: Pick<AuditHold, "filters">): string {
  const said = Object.entries(filters).map(([name, value]) => `${name} ${value}`);
  return said.length === 0 ? "The whole log is kept." : `What fits is kept: ${said.join(", ")}.`;
}

/** Output of `sonde audit hold list` for a person. */
function describeHolds({ holds }: AuditHoldList): string {
  if (holds.length === 0) return "Nothing is on hold.";
  return formatTable(
    ["ID", "SINCE", "BY", "KEEPS", "REASON"],
    holds.map(({ id, at, by, filters, reason }) => [
      ...[id, at, by],
      Object.entries(filters)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ") || "everything",
      toPlainLine(reason),
    ]),
  );
}
