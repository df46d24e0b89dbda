import type { CallToolResult } from "@modelcontextprotocol/server";
import { AGENT_ARGUMENT, splitProbeId } from "@sonde/schemas/names";
import { type CallPorts, callProbe, type CallRequest, findOnlyAgent } from "../../calls/index.ts";
import { findVisibleTool, type ToolDefinition, withoutAgent } from "../../catalog/index.ts";
import type { Checkpoints, LogReader } from "../../audit/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Links } from "../../links/index.ts";
import { type AnswerPorts, answerOutcome } from "./answers.ts";
import type { PackUses } from "./pack-uses.ts";

/** What a client's tools need. */
export type ToolPorts = CallPorts &
  AnswerPorts & {
    links: Pick<Links, "isOnline">;
    logReader: Pick<LogReader, "find">;
    checkpoints: Pick<Checkpoints, "latest" | "problem">;
    packUses: Pick<PackUses, "count" | "usesOf">;
    /** How many tools a list has. */
    maxListed: () => number;
  };

export type Arguments = Record<string, unknown>;
/** What one of the hub's own tools does. */
export type Run = (
  ports: ToolPorts,
  principal: Principal,
  args: Arguments,
  meta: Record<string, unknown>,
  /** Says that nobody waits for the answer any more. */
  signal: AbortSignal,
) => Promise<CallToolResult> | CallToolResult;

/** What an answer says of secrets when no server was asked for it. */
export const NOTHING_READ = { redactions: { count: 0, rules: {} } };

/** Calls a probe by its tool's name, and counts the use of its pack. */
export async function answerCall(
  ports: ToolPorts,
  principal: Principal,
  request: CallRequest,
  signal: AbortSignal,
): Promise<CallToolResult> {
  const entry = findVisibleTool(ports.catalog, principal, request.tool);
  if (entry !== null) ports.packUses.count(splitProbeId(entry.probe).pack);
  return await answerOutcome(ports, principal, await callProbe(ports, principal, request, signal));
}

/** Takes the hub's own argument from those of the probe. */
export function splitArguments(tool: string, args: Record<string, unknown>): CallRequest {
  const { [AGENT_ARGUMENT]: agent, ...params } = args;
  return { tool, agent, params };
}

/** The tools as a principal sees them: one that may ask one agent only need not name it. */
export function toolsFor(
  { directory }: { directory: Pick<ToolPorts["directory"], "agents"> },
  principal: Principal,
  tools: readonly ToolDefinition[],
): ToolDefinition[] {
  const hasChoice = findOnlyAgent(directory.agents(), principal) === null;
  return hasChoice ? [...tools] : tools.map(withoutAgent);
}
