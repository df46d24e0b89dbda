import { SondeError } from "@sonde/schemas/errors";
import type { Runbook } from "@sonde/schemas/manifest";
import { buildProbeId, toolNameOf } from "@sonde/schemas/names";
import { canonicalJson } from "@sonde/trust/canonical-json";
import { listVisiblePacks } from "../../agents/index.ts";
import { type CallPorts, findAgent } from "../../calls/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";

/** How many runbooks are run on one server. */
const MAX_RUNBOOKS = 20;

/** A call that a runbook needs. Calls of the same key are one call, for all agents that need it. */
export type RunbookCall = { key: string; tool: string; params: Record<string, unknown> };

/** A pack's runbook with the call of each of its probes, by the name that the probe has there. */
export type PlannedRunbook = {
  pack: HubPack;
  runbook: Runbook;
  calls: ReadonlyMap<string, RunbookCall & { probe: string }>;
};

export type PlannedAgent = {
  agent: KnownAgent;
  runbooks: PlannedRunbook[];
  /** Packs whose runbooks are not run, and why. */
  left: { pack: string; why: string }[];
};

type Ports = Pick<CallPorts, "catalog" | "directory">;

/**
 * Finds the runbooks to run on an agent, of packs of which the principal may ask something there. It
 * decides nothing about the probes: each is called, and so authorized, by itself.
 *
 * @param agent as `chooseAgents` gave it
 * @param request.pack whose runbook; null for all of them
 * @throws SondeError FORBIDDEN, AGENT_UNKNOWN, NOT_FOUND, PACK_NOT_ACTIVE
 */
export function planRunbooks(
  { catalog, directory }: Ports,
  principal: Principal,
  agent: string,
  request: { agent: unknown; pack: string | null },
): PlannedAgent {
  const known = findAgent(directory, principal, agent, request.agent);
  const reports = listVisiblePacks(known, principal).packs;
  const wanted = reports.filter(({ name }) => request.pack === null || name === request.pack);
  const active = wanted.filter(({ state }) => state === "active");
  if (request.pack !== null && active.length === 0) {
    throw refusal(known, request.pack, reports, wanted);
  }
  const runbooks: PlannedRunbook[] = [];
  const left: PlannedAgent["left"] = [];
  for (const { name, digest } of active.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const pack = digest === null ? undefined : directory.packs().get(digest);
    if (pack?.manifest.runbook === undefined) continue;
    const runbook = catalog.runbookOf(pack);
    if (runbook === null) {
      left.push({ pack: name, why: "nobody has approved the words of its runbook on the hub yet" });
    } else if (runbooks.length === MAX_RUNBOOKS) {
      left.push({ pack: name, why: `a server runs ${MAX_RUNBOOKS} runbooks at once: diagnose it` });
    } else runbooks.push({ pack, runbook, calls: planCalls(pack, runbook) });
  }
  if (runbooks.length + left.length === 0) {
    const what = request.pack ?? "each pack that this key may ask";
    throw new SondeError("NOT_FOUND", `on agent ${agent}, expected a runbook of ${what}, got none`);
  }
  return { agent: known, runbooks, left };
}

function refusal(
  { name: agent }: KnownAgent,
  pack: string,
  reports: readonly { name: string; state: string }[],
  [first]: readonly { state: string }[],
): SondeError {
  if (first !== undefined) {
    return new SondeError("PACK_NOT_ACTIVE", `on agent ${agent}, pack ${pack} is ${first.state}`);
  }
  const names = [...new Set(reports.map(({ name }) => name))].join(", ");
  const got = JSON.stringify(pack.slice(0, 100));
  return new SondeError(
    "NOT_FOUND",
    `pack: on agent ${agent}, expected ${names === "" ? "one that this key may ask, but there is none" : `one of ${names}`}, got ${got}`,
  );
}

function planCalls({ name: pack }: HubPack, { probes }: Runbook): PlannedRunbook["calls"] {
  return new Map(
    Object.entries(probes).map(([name, { probe: inPack, params = {} }]) => {
      const probe = buildProbeId(pack, inPack);
      const tool = toolNameOf(probe);
      return [name, { key: `${tool} ${canonicalJson(params)}`, tool, params, probe }];
    }),
  );
}
