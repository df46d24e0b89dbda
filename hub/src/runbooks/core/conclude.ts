import { judge } from "@sonde/runbooks";
import { SondeError } from "@sonde/schemas/errors";
import type { ToolResult } from "@sonde/schemas/hub";
import { buildProbeId, toolNameOf } from "@sonde/schemas/names";
import { MAX_SKEW_MS } from "@sonde/schemas/wire";
import { type AgentOutcome, type CallPorts, renderError } from "../../calls/index.ts";
import { findOfferedTool } from "../../catalog/index.ts";
import { maySeeProbe, type Principal } from "../../identity/index.ts";
import type { PlannedAgent, PlannedRunbook } from "./plan-runbooks.ts";

/** Characters of the findings of one server, as JSON, and of what is unseen. The gravest come first. */
const MAX_CHARACTERS = 30_000;
const RANK = { critical: 0, warning: 1, info: 2 };

/** What the runbooks found on one server, and the call of each probe, by its tool. */
export type Diagnosed = { result: ToolResult; calls: Record<string, string> };

/** Outcomes by the call's key, then by the agent's name. */
export type Outcomes = ReadonlyMap<string, ReadonlyMap<string, AgentOutcome>>;

type Ports = Pick<CallPorts, "catalog">;
type Finding = {
  severity: keyof typeof RANK;
  finding: string;
  tool: string;
  count: number;
  evidence: object[];
  next: string[];
};
type Unseen = { tool?: string; pack?: string; why: string; evidence?: object[] };

/**
 * Judges what was answered on one agent. A probe that did not answer is unseen, with the reason; when
 * none answered, nobody could look, which is a failure, unless the hub itself knows why. A probe that the principal may not ask has
 * no name here.
 */
export function conclude(
  { catalog }: Ports,
  principal: Principal,
  { agent, runbooks, left }: PlannedAgent,
  outcomes: Outcomes,
): Diagnosed {
  const findings: Finding[] = [];
  const unseen: Unseen[] = [...left];
  const answered: ToolResult[] = [];
  const failed: ToolResult[] = [];
  const calls: Record<string, string> = {};
  let unnamed = 0;
  for (const planned of runbooks) {
    const answers = new Map<string, Record<string, unknown>>();
    for (const [name, { key, tool, probe }] of planned.calls) {
      const outcome = outcomes.get(key)?.get(agent.name) ?? notAsked(agent.name);
      const { result, callId } = outcome;
      if (!maySeeProbe(principal, agent, probe)) {
        unnamed += 1;
        continue;
      }
      if (callId !== "") calls[tool] = callId;
      (result.status === "ok" ? answered : failed).push(result);
      if (result.status === "ok") answers.set(name, result.data ?? {});
      unseen.push(...whyUnseen(tool, result));
    }
    const judged = judge(planned.runbook, answers);
    findings.push(
      ...judged.findings.map(({ probe, next, ...rest }) => ({
        ...{ ...rest, tool: toolOf(planned, probe) },
        // Of use only to who may ask it there.
        next: next.filter((one) => findOfferedTool(catalog, principal, agent, one) !== null),
      })),
    );
    unseen.push(
      ...judged.unseen.map(({ probe, ...rest }) => ({ tool: toolOf(planned, probe), ...rest })),
    );
  }
  // Only for who may ask something there.
  if (answered.length + failed.length > 0) findings.push(...findSkew(agent));
  if (unnamed > 0) unseen.push({ why: `this key may not ask ${unnamed} probes of the runbooks` });
  if (answered.length + findings.length === 0) {
    return { result: nobodyLooked(agent.name, failed, unseen), calls };
  }
  const shown = fit(findings.sort((a, b) => RANK[a.severity] - RANK[b.severity]));
  const data = {
    runbooks: runbooks.map(({ pack }) => `${pack.name} ${pack.version}`),
    findings: shown,
    unseen: fit(unseen),
  };
  const cut = findings.length - shown.length + unseen.length - data.unseen.length;
  if (cut > 0) data.unseen.push({ why: `${cut} more: diagnose the packs one by one` });
  return { result: describe(agent.name, data, answered), calls };
}

/**
 * A server and a hub whose clocks differ take each other's messages for old or for those of the future,
 * so probes may well not answer.
 */
function findSkew({ clockSkewMs }: PlannedAgent["agent"]): Finding[] {
  if (clockSkewMs === null || Math.abs(clockSkewMs) <= MAX_SKEW_MS) return [];
  return [
    {
      ...{ severity: "critical", finding: "The clocks of the server and the hub differ." },
      ...{ tool: "agent_overview", count: 1 },
      evidence: [{ clockAheadSeconds: Math.round(clockSkewMs / 1000) }],
      next: ["agent_overview"],
    },
  ];
}

function toolOf({ pack }: PlannedRunbook, probe: string): string {
  return toolNameOf(buildProbeId(pack.name, probe));
}

function notAsked(agent: string): AgentOutcome {
  const error = new SondeError("CALL_TIMEOUT", "there was no time left to ask it");
  return { callId: "", result: renderError(agent, error) };
}

function whyUnseen(tool: string, { failure, truncated }: ToolResult): Unseen[] {
  if (failure !== undefined) return [{ tool, why: `${failure.code}: ${failure.message}` }];
  return truncated === true ? [{ tool, why: "what it reads was longer than it may read" }] : [];
}

/**
 * The first failure, as it is when all have its code: the agent is offline, or held. Without one
 * nothing was asked that the principal may ask.
 */
function nobodyLooked(
  agent: string,
  failed: readonly ToolResult[],
  unseen: readonly Unseen[],
): ToolResult {
  const [first] = failed.flatMap(({ failure }) => failure ?? []);
  const why = unseen.map(({ pack, why: said }) => (pack === undefined ? said : `${pack}: ${said}`));
  const result = renderError(agent, new SondeError("FORBIDDEN", why.join("; ").slice(0, 500)));
  if (first === undefined) return result;
  const codes = [...new Set(failed.map(({ failure }) => failure?.code))];
  const others = codes.length > 1 ? ` (other probes: ${codes.slice(1).join(", ")})` : "";
  return { ...result, failure: { ...first, message: `${first.message}${others}` } };
}

/** The first that have room together. */
function fit<T extends object>(all: readonly T[]): T[] {
  let room = MAX_CHARACTERS;
  return all.filter((one) => (room -= JSON.stringify(one).length) > 0);
}

function describe(
  agent: string,
  data: Record<string, unknown>,
  answered: readonly ToolResult[],
): ToolResult {
  const rules = new Map<string, number>();
  for (const { redactions } of answered) {
    for (const [rule, count] of Object.entries(redactions.rules)) {
      rules.set(rule, (rules.get(rule) ?? 0) + count);
    }
  }
  const count = answered.reduce((sum, { redactions }) => sum + redactions.count, 0);
  const [collectedAt = null] = answered.flatMap((one) => one.collectedAt ?? []).toSorted();
  return {
    agent,
    status: "ok",
    data,
    redactions: { count, rules: Object.fromEntries(rules) },
    collectedAt,
  };
}
