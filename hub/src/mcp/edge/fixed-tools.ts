import type { CallToolResult } from "@modelcontextprotocol/server";
import { parseAuditFilters } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { ToolResult } from "@sonde/schemas/hub";
import { AGENT_ARGUMENT } from "@sonde/schemas/names";
import { buildValueChecker } from "@sonde/schemas/parse";
import { buildAuditRecord, DEFAULT_FOUND } from "../../audit/index.ts";
import {
  type CallPorts,
  type CallRequest,
  explainCall,
  explainThrown,
  recordRefusal,
  renderError,
} from "../../calls/index.ts";
import { findVisibleTool, listVisibleTools, type ToolDefinition } from "../../catalog/index.ts";
import {
  authorize,
  type Decision,
  onlyObserving,
  type Principal,
  type RouteRight,
} from "../../identity/index.ts";
import {
  AGENT_OVERVIEW,
  CALL_TOOL,
  DESCRIBE_TOOL,
  DIAGNOSE,
  EXPLAIN,
  HEALTH_CHECK,
  LIST_AGENTS,
  QUERY_AUDIT,
  READ_RESULT,
  SEARCH_TOOLS,
} from "../core/fixed-tools.ts";
import { describeFound, writeAuditRows } from "../core/audit-rows.ts";
import { readCursor, withCursor } from "../core/pages.ts";
import { searchTools } from "../core/search-tools.ts";
import { agentOverview, diagnose, healthCheck, listAgents } from "./agent-tools.ts";
import { answerOutcome, answerResults, answerText } from "./answers.ts";
import {
  answerCall,
  type Arguments,
  NOTHING_READ,
  type Run,
  splitArguments,
  type ToolPorts,
  toolsFor,
} from "./call-tool.ts";

/**
 * A tool of the hub itself. It tells a principal nothing that the principal has no right to. Its use
 * is recorded before `run`, unless `run` records it, in more words.
 */
export type FixedTool = {
  definition: ToolDefinition;
  run: Run;
  recordsItself?: true;
  /** Who lacks it does not see the tool, and may not use it. */
  right?: RouteRight;
};

const ALL: FixedTool[] = [
  { definition: LIST_AGENTS, run: listAgents },
  { definition: AGENT_OVERVIEW, run: agentOverview },
  { definition: SEARCH_TOOLS, run: search },
  { definition: DESCRIBE_TOOL, run: describeTool },
  { definition: CALL_TOOL, run: callTool, recordsItself: true },
  { definition: EXPLAIN, run: explain, recordsItself: true },
  { definition: DIAGNOSE, run: diagnose },
  { definition: HEALTH_CHECK, run: healthCheck },
  { definition: QUERY_AUDIT, run: queryAudit, right: "audit.read", recordsItself: true },
  { definition: READ_RESULT, run: readResult },
];

export const FIXED_TOOLS: ReadonlyMap<string, FixedTool> = new Map(
  ALL.map((tool) => [tool.definition.name, tool]),
);

/** The hub's own tools that a principal has. */
export function listOwnTools(principal: Principal): ToolDefinition[] {
  return ALL.filter((tool) => decideRight(tool, principal).allowed).map((tool) => tool.definition);
}

function decideRight({ right }: FixedTool, principal: Principal): Decision {
  return authorize(principal, { kind: right ?? "probe.list" });
}

/**
 * Runs one of the hub's own tools: checks the right to it and its arguments, records its use (durable before anything is
 * answered), answers. Never throws: a failure is a recorded answer with a code.
 */
export async function runFixedTool(
  ports: ToolPorts,
  principal: Principal,
  tool: FixedTool,
  given: Arguments,
  signal: AbortSignal,
): Promise<CallToolResult> {
  const callId = ports.newCallId();
  const meta = { "sonde.dev/callId": callId };
  const { definition, run, recordsItself } = tool;
  const { name } = definition;
  try {
    const decision = decideRight(tool, principal);
    if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
    const args = readArguments(definition, given);
    if (recordsItself !== true) await recordRead(ports, principal, callId, { tool: name });
    return await run(ports, principal, args, meta, signal);
  } catch (thrown) {
    let error = explainThrown(ports, callId, thrown);
    try {
      const call = { callId, principal: principal.subject.id, agent: "" };
      await recordRefusal(ports, call, name, error);
    } catch (unrecorded) {
      error = explainThrown(ports, callId, unrecorded);
    }
    return await answerResults(ports, principal, [renderError("", error)], meta);
  }
}

/**
 * Records that a principal read a list or an answer.
 *
 * @throws SondeError AUDIT_UNAVAILABLE; then nothing may be answered
 */
export async function recordRead(
  { auditLog, now }: Pick<CallPorts, "auditLog" | "now">,
  { subject }: Principal,
  callId: string | null,
  detail: Record<string, unknown>,
): Promise<void> {
  await auditLog.append(
    buildAuditRecord(now(), "log.read", { callId, principal: subject.id, detail }),
  );
}

const checkers = new Map<string, ReturnType<typeof buildValueChecker>>();

/** @throws SondeError PARAMS_INVALID */
function readArguments({ name, inputSchema }: ToolDefinition, given: Arguments): Arguments {
  const args = Object.fromEntries(
    Object.entries(given).filter(
      ([member, value]) => value !== null || inputSchema.required.includes(member),
    ),
  );
  const check = checkers.get(name) ?? buildValueChecker(inputSchema);
  checkers.set(name, check);
  const misfit = check(args);
  if (misfit !== null) throw new SondeError("PARAMS_INVALID", misfit);
  return args;
}

function search(...[ports, principal, args, meta]: Parameters<Run>): CallToolResult {
  const tools = listVisibleTools(ports.catalog, principal).map(({ tool }) => tool);
  const words = typeof args["words"] === "string" ? args["words"] : "";
  return answerText(searchTools(toolsFor(ports, principal, tools), words), meta);
}

function describeTool(...[ports, principal, args, meta]: Parameters<Run>): CallToolResult {
  const name = String(args["tool"]);
  const entry = findVisibleTool(ports.catalog, principal, name);
  if (entry === null) {
    const quoted = JSON.stringify(name.slice(0, 100));
    throw new SondeError("PROBE_UNKNOWN", `this key has no approved tool that is called ${quoted}`);
  }
  const [tool] = toolsFor(ports, principal, [entry.tool]);
  return answerText(JSON.stringify(tool), meta);
}

/** Its annotations promise that it only looks, so it calls what only looks. */
async function callTool(...[ports, principal, args, , signal]: Parameters<Run>) {
  return await answerCall(ports, onlyObserving(principal), readRequest(args), signal);
}

async function explain(...[ports, principal, args]: Parameters<Run>): Promise<CallToolResult> {
  return await answerOutcome(
    ports,
    principal,
    await explainCall(ports, principal, readRequest(args)),
  );
}

/** Part of a search as the REST API does it, without what proves entries. */
async function queryAudit(...[ports, principal, args, meta]: Parameters<Run>) {
  const { logReader, checkpoints } = ports;
  const { limit = DEFAULT_FOUND, afterSeq = null, beforeSeq = null, ...filters } = args;
  const isOldestFirst = afterSeq !== null;
  const callId = String(meta["sonde.dev/callId"]);
  const found = await logReader.find(
    { principal: principal.subject.id, tool: QUERY_AUDIT.name, callId },
    {
      filters: parseAuditFilters(filters),
      order: isOldestFirst ? "oldest" : "newest",
      limit: Number(limit),
      afterSeq: afterSeq === null ? null : Number(afterSeq),
      beforeSeq: beforeSeq === null ? null : Number(beforeSeq),
    },
  );
  const problem = checkpoints.problem();
  const data = {
    ...{ newestSeq: found.newest, signedSeq: checkpoints.latest()?.size ?? 0 },
    ...(problem !== null && { problem: `${problem.code}: ${problem.message}` }),
    ...describeFound(found, isOldestFirst),
    entries: writeAuditRows(isOldestFirst ? found.entries : found.entries.toReversed()),
  };
  const result: ToolResult = { agent: "", ...NOTHING_READ, status: "ok", data, collectedAt: null };
  return await answerResults(ports, principal, [result], meta);
}

/** A model may write the agent among the tool's arguments too. */
function readRequest({ tool, agent, arguments: given }: Arguments): CallRequest {
  const others = (given ?? {}) as Arguments;
  const named = agent === undefined ? {} : { [AGENT_ARGUMENT]: agent };
  return splitArguments(String(tool), { ...others, ...named });
}

/** Another principal's page, and one that is gone, are the same as one that there never was. */
async function readResult(...[ports, principal, args, meta]: Parameters<Run>) {
  const name = readCursor(String(args["cursor"]));
  const found = name === null ? null : await ports.keptPages.read(name, principal.subject.id);
  if (name === null || found === null) {
    throw new SondeError("RESULT_GONE", "expected the cursor of an answer of the last hour");
  }
  return answerText(withCursor(found.text, name, found.pages), meta);
}
