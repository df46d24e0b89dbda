import { MAX_AUDIT_PAGE } from "@sonde/schemas/audit";
import { type AuditFilters, AuditSearchQuery } from "@sonde/schemas/audit-search";
import { OUTPUT_SCHEMA, type ToolDefinition } from "../../catalog/index.ts";

const LOOKS_ONLY = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
const TOOL = { type: "string", description: "name of a tool, as search_tools gives it" };
const AGENT = {
  anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
  description: "as of the tool itself",
};
const SERVERS = { ...AGENT, description: "server, list of servers, or #tag" };
const PACK = { type: "string", maxLength: 80, description: "such as system, or acme/web" };
const ARGUMENTS = { type: "object", description: "the tool's other arguments" };
/** How many packs the list names that are not in it. */
const MAX_NAMED = 8;

// The hub's own tools.

export const LIST_AGENTS = define({
  name: "list_agents",
  description:
    "Lists the servers you may look at, their tags, whether each is reachable or held, and its packs.",
  outputSchema: OUTPUT_SCHEMA,
});

export const AGENT_OVERVIEW = define({
  name: "agent_overview",
  description:
    "Tells what is known of a server without asking it: state, release, drift, clock, and its packs with their tools.",
  properties: { agent: SERVERS },
  outputSchema: OUTPUT_SCHEMA,
});

export const SEARCH_TOOLS = define({
  name: "search_tools",
  description: "Finds tools by words of what you want to know. Without words it names all.",
  properties: { words: { type: "string", maxLength: 200 } },
});

export const DESCRIBE_TOOL = define({
  name: "describe_tool",
  description: "Describes a tool with its arguments, as a list of tools would.",
  properties: { tool: TOOL },
  required: ["tool"],
});

export const CALL_TOOL = define({
  name: "call_tool",
  description: "Calls a tool that search_tools found, as if it were in the list.",
  properties: { tool: TOOL, agent: AGENT, arguments: ARGUMENTS },
  required: ["tool"],
  outputSchema: OUTPUT_SCHEMA,
});

export const EXPLAIN = define({
  name: "explain",
  description:
    "Says exactly which files, commands and requests a call would read on each server, and reads nothing.",
  properties: { tool: TOOL, agent: AGENT, arguments: ARGUMENTS },
  required: ["tool"],
  outputSchema: OUTPUT_SCHEMA,
});

export const DIAGNOSE = define({
  name: "diagnose",
  description:
    "Runs the runbook of a pack: asks its probes together and tells findings by severity with their evidence, what could not be seen and why, and what to ask next.",
  properties: { agent: SERVERS, pack: PACK },
  required: ["pack"],
  outputSchema: OUTPUT_SCHEMA,
});

export const HEALTH_CHECK = define({
  name: "health_check",
  description:
    "Runs the runbooks of all packs of each server, as diagnose does for one: what is wrong there at all.",
  properties: { agent: SERVERS },
  outputSchema: OUTPUT_SCHEMA,
});

const text = (description: string) => ({ type: "string", description });
const choice = (name: "decision" | "status") => ({ enum: AuditSearchQuery.properties[name].enum });
const SEQ = { type: "integer", minimum: 0 };

/** Each filter in the words of a model. What each may be is checked as it is for the REST API. */
const AUDIT_ARGUMENTS: Record<keyof AuditFilters, object> = {
  person: text("id in person:ID: what they, their clients and their keys did"),
  client: text("id of an OAuth client"),
  principal: text("exactly key:ID, person:ID or grant:ID"),
  agent: text("server"),
  tag: text("key=value: servers that have it now"),
  probe: text("such as system.disk.usage"),
  tool: text("also one of the hub's, or one refused"),
  event: text("such as call.request, key.created"),
  decision: choice("decision"),
  status: choice("status"),
  call: text("id of a call"),
  since: text("from 2026-03-01 or 2026-03-01T12:30Z on"),
  until: text("before that time"),
  text: text("part of the record's JSON"),
};

export const QUERY_AUDIT = define({
  name: "query_audit",
  description:
    "Searches the hub's audit log: who asked what of which server, what was refused and why, who changed what. Gives the newest entries that fit all filters, or with afterSeq the next ones after it, the oldest first. Says what it searched, what was dropped, and how to get more.",
  properties: {
    ...AUDIT_ARGUMENTS,
    afterSeq: { ...SEQ, description: "only entries with a higher seq" },
    beforeSeq: { ...SEQ, description: "only entries with a lower seq" },
    limit: { type: "integer", minimum: 1, maximum: MAX_AUDIT_PAGE, description: "100" },
  },
  outputSchema: OUTPUT_SCHEMA,
});

export const READ_RESULT = define({
  name: "read_result",
  description: "Reads the next page of a long answer, by the cursor at the end of the page before.",
  properties: { cursor: { type: "string", maxLength: 60 } },
  required: ["cursor"],
});

/** The definition for a list that leaves tools out, which says so. */
export function searchToolsBeside(count: number, packs: readonly string[]): ToolDefinition {
  if (count === 0) return SEARCH_TOOLS;
  const others = packs.length > MAX_NAMED ? ` and ${packs.length - MAX_NAMED} more` : "";
  const named = packs.slice(0, MAX_NAMED).join(", ");
  const more = `${count} tools are not in this list: those of ${named}${others}.`;
  return { ...SEARCH_TOOLS, description: `${SEARCH_TOOLS.description} ${more}` };
}

function define({
  properties = {},
  required = [],
  ...rest
}: Pick<ToolDefinition, "name" | "description" | "outputSchema"> & {
  properties?: Record<string, object>;
  required?: string[];
}): ToolDefinition {
  return {
    ...rest,
    inputSchema: { type: "object", properties, required, additionalProperties: false },
    annotations: { title: rest.name, ...LOOKS_ONLY },
  };
}
