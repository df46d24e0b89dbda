import { type AuditFilters, parseAuditFilters } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import type { HubClient } from "../hub-client.ts";
import type { HubOptions } from "./connect-hub.ts";

/** The options of `sonde audit` by which entries are chosen, as they are typed. */
export type FilterOptions = HubOptions & {
  person?: string;
  client?: string;
  principal?: string;
  tag?: string;
  probe?: string;
  tool?: string;
  event?: string;
  decision?: string;
  status?: string;
  call?: string;
  since?: string;
  until?: string;
  text?: string;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const AGO = /^([0-9]{1,5})(m|h|d)$/;
const MS = new Map([
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

export function addFilterOptions(command: Command): Command {
  return command
    .option("--person <name>", "what a person did, their clients and their keys: a name or an id")
    .option("--client <id>", "what an OAuth client did, for whomever")
    .option("--principal <subject>", "one subject, such as key:ID")
    .option("--agent <name>", "one agent")
    .option("--tag <key=value>", "the agents that have this tag now")
    .option("--probe <id>", "one probe, such as system.disk.usage")
    .option("--tool <name>", "one tool, such as system_disk_usage or list_agents")
    .option("--event <name>", "one event, such as call.request or key.created")
    .option("--decision <word>", "what was let in, or refused: allow or deny")
    .option("--status <word>", "ok, failure, denied or info")
    .option("--call <id>", "one call")
    .option("--since <time>", "from then on: 2026-03-01, 2026-03-01T12:30Z, or 30m, 2h, 7d ago")
    .option("--until <time>", "before then")
    .option("--text <part>", "what the entry's JSON has, in upper or lower case");
}

/**
 * Reads the filters of the options. A person's name is looked for at the hub.
 *
 * @throws SondeError BAD_REQUEST
 */
export async function readFilters(
  options: FilterOptions,
  client: Pick<HubClient, "listPeople">,
  now: Date,
): Promise<AuditFilters> {
  const { person, client: ofClient, principal, agent, tag, probe, tool } = options;
  const { event, decision, status, call, since, until, text } = options;
  const said = {
    ...{ client: ofClient, principal, agent, tag, probe, tool },
    ...{ event, decision, status, call, text },
    person: person === undefined ? undefined : await findPerson(client, person),
    since: readTime(since, now),
    until: readTime(until, now),
  };
  return parseAuditFilters(
    Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
  );
}

async function findPerson(client: Pick<HubClient, "listPeople">, wanted: string): Promise<string> {
  if (UUID.test(wanted)) return wanted;
  const people = await client.listPeople();
  const found = people.find(({ name }) => name === wanted);
  if (found !== undefined) return found.id;
  throw new SondeError(
    "BAD_REQUEST",
    `expected --person with the name of one of ${people.map(({ name }) => name).join(", ") || "nobody"}, or the id of one who is gone, got ${wanted}`,
  );
}

function readTime(text: string | undefined, now: Date): string | undefined {
  const [, count, unit = ""] = AGO.exec(text ?? "") ?? [];
  const ms = MS.get(unit);
  if (count === undefined || ms === undefined) return text;
  return new Date(now.getTime() - Number(count) * ms).toISOString();
}
