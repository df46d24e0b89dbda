import type { AuditFilters } from "@sonde/schemas/audit-search";

/** The filters of the audit log, as the hub names them, each with its name for a person. */
export const FILTERS: Record<keyof AuditFilters, string> = {
  text: "Text",
  person: "Who",
  client: "OAuth client",
  principal: "Who, exactly",
  agent: "Host",
  tag: "Tag",
  probe: "Question",
  tool: "Tool",
  event: "Event",
  decision: "Decision",
  status: "Outcome",
  call: "Call",
  since: "Since (UTC)",
  until: "Before (UTC)",
};

/** What somebody asks for. The hub says what of it cannot be. */
export type Asked = Partial<Record<keyof AuditFilters, string>>;

export type Show = "calls" | "acts" | "denied" | "all";
export const SHOWS: readonly [Show, string][] = [
  ["calls", "Calls"],
  ["acts", "Acts"],
  ["denied", "Refused"],
  ["all", "Everything"],
];

/** Reads the filters that an address has. Anything else in it is left. */
export function readAsked(query: URLSearchParams): Asked {
  const names = Object.keys(FILTERS) as (keyof AuditFilters)[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = query.get(name) ?? "";
      return value === "" ? [] : [[name, value]];
    }),
  );
}

export function readShow(query: URLSearchParams): Show {
  return SHOWS.find(([one]) => one === query.get("show"))?.[0] ?? "calls";
}

/** What the hub is asked for. The kinds that it knows no filter for are chosen from what it finds. */
export function toSearch(asked: Asked, show: Show): Asked {
  return show === "denied" && asked.decision === undefined ? { ...asked, decision: "deny" } : asked;
}

/** Filters by which a call's request is found without its end. */
const ENDLESS: readonly (keyof AuditFilters)[] = ["decision", "event", "status", "text", "until"];

/** True when whoever finds the request of a call finds its end too, if it has ended. */
export function findsEnds(asked: Asked): boolean {
  return ENDLESS.every((name) => asked[name] === undefined);
}

/** A subject as a filter: what a person did has what their clients and keys did. */
export function askedOf(subject: string): Asked {
  const [kind, id = ""] = subject.split(":");
  return kind === "person" ? { person: id } : { principal: subject };
}

const SUBJECT = /^(person|key|grant):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const AGENT = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** True for what the hub takes as a filter; records have other texts there too. */
export const isSubject = (text: string): boolean => SUBJECT.test(text);
export const isAgent = (text: string): boolean => AGENT.test(text);
