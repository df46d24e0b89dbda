import { SondeError } from "@sonde/schemas/errors";
import { buildParser } from "@sonde/schemas/parse";
import { AgentSelector } from "@sonde/schemas/tags";
import { Type } from "typebox";
import type { Narrowing } from "./narrow.ts";
import { MCP_SCOPES, type ResourceKind } from "./scopes.ts";
import type { Capability } from "@sonde/schemas/names";

/** A client's request, as a person is asked about it. */
export type Ask = {
  clientId: string;
  /** As the client says, unverified. */
  clientName: string;
  /** Where the code goes; for a terminal, that it has no address. */
  clientHost: string;
  kind: ResourceKind;
  resource: string;
  /** From the least to the most, and none that the person does not have. */
  scopes: string[];
};

const WORDS: Readonly<Record<string, string>> = {
  observe: "Look: read the state of hosts with the approved tools",
  interact: "Look, and act without leaving a change",
  manage: "Look, and change things on hosts",
  "api.read": "Read what you may read, with the sonde command",
  "api.write": "Do what you may do, with the sonde command",
};

export function describeScope(scope: string): string {
  return WORDS[scope] ?? scope;
}

/**
 * Of the scopes that were asked for, those that the person has.
 *
 * @param highest capability that the person has
 */
export function scopesOfPerson(
  asked: readonly string[],
  kind: ResourceKind,
  highest: Capability,
): string[] {
  if (kind === "api") return [...asked];
  const has = MCP_SCOPES.slice(0, MCP_SCOPES.indexOf(highest) + 1);
  return asked.filter((scope) => has.some((known) => known === scope));
}

const AGENTS = "agents.";
const parseSelectors = buildParser(
  Type.Array(AgentSelector, { minItems: 1, maxItems: 200 }),
  "agents",
  "BAD_REQUEST",
);

/**
 * Reads what a person decided. The form is on a page of this hub, but what it sends is as hostile
 * as any.
 *
 * @returns null for a refusal
 * @throws SondeError BAD_REQUEST for more than was asked for
 */
export function readDecision(
  form: Readonly<Record<string, string>>,
  { scopes, kind }: Pick<Ask, "scopes" | "kind">,
): Narrowing | null {
  if (form["decision"] !== "allow") return null;
  const highest = scopes.indexOf(form["level"] ?? "");
  if (highest < 0) {
    throw new SondeError("BAD_REQUEST", `expected one of the levels ${scopes.join(", ")}`);
  }
  const narrowed = { scopes: scopes.slice(0, highest + 1) };
  if (kind === "api" || form["agents"] === "all") return { ...narrowed, agents: "*" };
  const ticked = Object.keys(form)
    .filter((name) => name.startsWith(AGENTS))
    .map((name) => name.slice(AGENTS.length));
  const typed = (form["more"] ?? "").split(/[\s,]+/).filter((selector) => selector !== "");
  return { ...narrowed, agents: parseSelectors([...new Set([...ticked, ...typed])]) };
}
