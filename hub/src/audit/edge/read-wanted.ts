import {
  AUDIT_FILTERS,
  type AuditFilters,
  type AuditSearchQuery,
} from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import { probeOfTool } from "@sonde/schemas/names";
import type { Hub } from "../../hub.ts";
import type { Wanted } from "./log-search.ts";
import type { Subjects } from "./subjects.ts";

/** The filters of a query, without what says where and how to read. */
export function filtersOf(query: AuditSearchQuery): AuditFilters {
  const said = new Map(Object.entries(query));
  return Object.fromEntries(
    AUDIT_FILTERS.filter((name) => said.has(name)).map((name) => [name, said.get(name)]),
  );
}

/**
 * Reads what a query wants of the log. Tags are those of now, and people and clients have the keys
 * and grants of now and of before.
 *
 * @throws SondeError BAD_REQUEST saying what was expected; also for a tag that no agent has
 */
export async function readWanted(
  { directory }: Pick<Hub, "directory">,
  subjects: Subjects,
  filters: AuditFilters,
): Promise<Wanted> {
  const { since, until } = readPeriod(filters);
  const { person, client, principal, tool } = filters;
  const principals = intersect([
    person === undefined ? null : await subjects.ofPerson(person),
    client === undefined ? null : await subjects.ofClient(client),
    principal === undefined ? null : [principal],
  ]);
  const agents = intersect([
    filters.tag === undefined ? null : agentsWith(directory, filters.tag),
    filters.agent === undefined ? null : [filters.agent],
  ]);
  return {
    ...{ principals, agents, since, until },
    probe: filters.probe ?? null,
    tool: tool === undefined ? null : { name: tool, probe: probeOfTool(tool) },
    event: filters.event ?? null,
    decision: filters.decision ?? null,
    status: filters.status ?? null,
    call: filters.call ?? null,
    text: filters.text ?? null,
  };
}

/** @throws SondeError BAD_REQUEST for what is no period */
export function readPeriod(said: Pick<AuditFilters, "since" | "until">): {
  since: Date | null;
  until: Date | null;
} {
  const since = readMoment("since", said.since);
  const until = readMoment("until", said.until);
  if (since === null || until === null || since < until) return { since, until };
  throw new SondeError(
    "BAD_REQUEST",
    `expected since before until, got ${said.since} and ${said.until}`,
  );
}

function readMoment(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const moment = new Date(text);
  // `new Date` takes 2026-02-30 for a day of March.
  const isReal =
    !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(text.slice(0, 10));
  if (isReal) return moment;
  throw new SondeError("BAD_REQUEST", `${name}: expected a time of the calendar, got ${text}`);
}

function agentsWith(directory: Hub["directory"], tag: string): string[] {
  const agents = directory.agents().filter(({ tags }) => tags.some((own) => own === tag));
  if (agents.length > 0) return agents.map(({ name }) => name);
  throw new SondeError("BAD_REQUEST", `tag: expected one that an agent has, got ${tag}`);
}

/** Null for every value. */
function intersect(lists: readonly (readonly string[] | null)[]): string[] | null {
  const [first, ...others] = lists.filter((list) => list !== null);
  return first?.filter((value) => others.every((list) => list.includes(value))) ?? null;
}
