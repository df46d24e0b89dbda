import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import {
  type CallBody,
  type DesiredStateBody,
  type DsseEnvelope,
  type HelloBody,
  type LogHead,
  type PackReport,
  type ResultBody,
} from "@sonde/schemas/wire";
import { buildCatalog, type Catalog, type HubPack } from "./catalog.ts";

/** A call as it goes to an agent. */
export type AgentCall = {
  callId: string;
  principal: string;
  packDigest: Digest;
  policyHash: Digest;
  body: CallBody;
};

/** An agent's answer with its signature, which is kept as evidence. */
export type AgentAnswer = { body: ResultBody; envelope: DsseEnvelope };

/**
 * A live, authenticated connection to one agent. One owner, not durable; ends
 * when the session breaks, and every open call then fails with
 * CALL_OUTCOME_UNKNOWN.
 */
export type AgentLink = {
  /** @throws SondeError CALL_TIMEOUT, CALL_OUTCOME_UNKNOWN or AGENT_BUSY */
  call(call: AgentCall): Promise<AgentAnswer>;
  sendDesiredState(body: DesiredStateBody): void;
  sendCertificate(certificate: string): void;
  /** True when the agent still answers within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean>;
  close(reason: string): void;
};

/** An enrolled agent: what the database keeps, and its link while it has one. */
export type FleetAgent = {
  id: string;
  name: string;
  enrolledAt: string;
  lastSeenAt: string | null;
  hello: HelloBody | null;
  packs: PackReport[];
  desired: DesiredStateBody;
  auditHead: LogHead | null;
  link: AgentLink | null;
};

/** The database's part: survives a restart, loaded once at start. */
export type FleetState = {
  agents: Omit<FleetAgent, "link" | "auditHead">[];
  packs: HubPack[];
  pins: { probe: string; definitionSha256: Digest }[];
};

/**
 * The agents, packs and pins of this hub, in memory. Changes are written to the
 * store first, then told here; `onChange` hears of each.
 */
export type Fleet = {
  list(): FleetAgent[];
  /** @throws SondeError AGENT_UNKNOWN */
  get(name: string): FleetAgent;
  find(agentId: string): FleetAgent | undefined;
  add(agent: Omit<FleetAgent, "link" | "auditHead">): void;
  update(agentId: string, change: Partial<Omit<FleetAgent, "id" | "name">>): void;
  addPack(pack: HubPack): void;
  packs(): Map<Digest, HubPack>;
  setPin(probe: string, definitionSha256: Digest): void;
  pins(): Map<string, Digest>;
  catalog(): Catalog;
};

export function createFleet(state: FleetState, onChange: () => void): Fleet {
  const agents = new Map<string, FleetAgent>(
    state.agents.map((agent) => [agent.id, { ...agent, auditHead: null, link: null }]),
  );
  const packs = new Map(state.packs.map((pack) => [pack.digest, pack]));
  const pins = new Map(state.pins.map((pin) => [pin.probe, pin.definitionSha256]));
  let catalog: Catalog | null = null;

  function changed(): void {
    catalog = null;
    onChange();
  }

  return {
    list: () => [...agents.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get(name) {
      for (const agent of agents.values()) if (agent.name === name) return agent;
      throw new SondeError(
        "AGENT_UNKNOWN",
        `expected the name of an enrolled agent, got ${JSON.stringify(name)}`,
      );
    },
    find: (agentId) => agents.get(agentId),
    add(agent) {
      agents.set(agent.id, { ...agent, auditHead: null, link: null });
      changed();
    },
    update(agentId, change) {
      const agent = agents.get(agentId);
      if (agent === undefined) return;
      agents.set(agentId, { ...agent, ...change });
      // The catalog depends on reported packs alone; an audit head moves with every call.
      if (change.packs !== undefined) changed();
    },
    addPack(pack) {
      packs.set(pack.digest, pack);
      changed();
    },
    packs: () => packs,
    setPin(probe, definitionSha256) {
      pins.set(probe, definitionSha256);
      changed();
    },
    pins: () => pins,
    catalog: () => (catalog ??= buildCatalog({ agents: [...agents.values()], packs, pins })),
  };
}
