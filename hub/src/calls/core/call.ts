import type { ToolResult } from "@sonde/schemas/hub";
import type { AuditLog } from "../../audit/index.ts";
import type { Catalog } from "../../catalog/index.ts";
import type { Directory } from "../../directory/index.ts";
import type { KeepPolicy } from "../../evidence/index.ts";
import type { CallRates } from "../../identity/index.ts";
import type { Links } from "../../links/index.ts";

/** A call as an MCP client makes it. The agent is as the client gave it, or left it out. */
export type CallRequest = { tool: string; agent: unknown; params: Record<string, unknown> };

export type CallPorts = {
  directory: Pick<Directory, "agents" | "agent" | "tagged" | "packs">;
  catalog: Pick<Catalog, "entries" | "definitionsOf" | "runbookOf">;
  links: Pick<Links, "deliver">;
  auditLog: AuditLog;
  rates: Pick<CallRates, "take">;
  keepPolicy: KeepPolicy;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  newCallId: () => string;
  /** Is called with a defect and its call's id, and when a response could not be recorded. */
  report: (error: Error, callId?: string) => void;
  /** Those in force now. */
  limits: () => CallLimits;
};

export type CallLimits = {
  /** The agent's time limit, in ms. */
  timeoutMs: number;
  /** When a client gets its answer, in ms, whoever has not answered by then. */
  answerWithinMs: number;
  /** How many agents a call may ask. */
  maxAgents: number;
};

/** One agent's part of a call. Each has its own id and its own records. */
export type AgentOutcome = { callId: string; result: ToolResult };

/** In the order in which the agents were named; those of a tag by name. */
export type CallOutcome = readonly AgentOutcome[];
