import type { ValueSchema } from "@sonde/schemas/manifest";
import type { Capability, Digest } from "@sonde/schemas/names";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import { type ProbeDefinition, type ToolDefinition, buildDefinitions } from "./tool-definition.ts";

/** One probe that may be called now, with the agents it may be asked of. */
export type CatalogEntry = {
  probe: string;
  capability: Capability;
  params: ValueSchema;
  /** What an answer must be; the tool's output schema, and so the pin, has it too. */
  result: ValueSchema;
  tool: ToolDefinition;
  definitionSha256: Digest;
  /** Agent name -> digest of the pack that serves it there. */
  agents: ReadonlyMap<string, Digest>;
};

/** What the catalog is made of; see the directory. */
export type CatalogFacts = {
  packs(): ReadonlyMap<Digest, HubPack>;
  pins(): ReadonlyMap<string, Digest>;
};

/** A probe's words as one or more archives have them, and who offers them. */
type Offer = { definition: ProbeDefinition; agents: Map<string, Digest> };

/**
 * Everything that can be called at all: active packs on known agents, from archives this hub
 * verified, whose definitions are exactly the pinned ones. Offline agents keep their tools.
 *
 * Tools are built once for each archive. A change costs what the one agent, pack or pin has, and
 * nothing that grows with the fleet.
 */
export class Catalog {
  readonly #facts: CatalogFacts;
  readonly #definitions = new Map<Digest, ProbeDefinition[]>();
  /** Probe -> hash of its words -> who offers them. */
  readonly #offers = new Map<string, Map<Digest, Offer>>();
  readonly #agents = new Map<string, KnownAgent>();
  /** Agents that report an archive as active, whether it is known here or not. */
  readonly #agentsByPack = new Map<Digest, Set<string>>();
  readonly #listeners: (() => void)[] = [];
  #entries: Map<string, CatalogEntry> | null = null;

  constructor(facts: CatalogFacts) {
    this.#facts = facts;
  }

  /** Tool name -> entry, sorted by name. */
  entries(): ReadonlyMap<string, CatalogEntry> {
    this.#entries ??= new Map(
      [...this.#offers.keys()]
        .flatMap((probe) => this.#entryOf(probe) ?? [])
        .sort((a, b) => (a.tool.name < b.tool.name ? -1 : 1))
        .map((entry) => [entry.tool.name, entry]),
    );
    return this.#entries;
  }

  /** Every probe of an archive with its tool; built once. */
  definitionsOf(pack: HubPack): readonly ProbeDefinition[] {
    const known = this.#definitions.get(pack.digest);
    if (known !== undefined) return known;
    const definitions = buildDefinitions(pack);
    this.#definitions.set(pack.digest, definitions);
    return definitions;
  }

  /** Hears when any entry may be another now. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  setAgent(agent: KnownAgent): void {
    const before = this.#agents.get(agent.name);
    this.#agents.set(agent.name, agent);
    if (before !== undefined && offersSame(before, agent)) return;
    if (before !== undefined) this.#withdraw(before);
    this.#offer(agent);
    this.#changed();
  }

  /** An archive is known here from now on, or its signer is known as another. */
  setPack(digest: Digest): void {
    const waiting = [...(this.#agentsByPack.get(digest) ?? [])].flatMap(
      (name) => this.#agents.get(name) ?? [],
    );
    for (const agent of waiting) this.#withdraw(agent);
    this.#definitions.delete(digest);
    for (const agent of waiting) this.#offer(agent);
    if (waiting.length > 0) this.#changed();
  }

  /** A probe's words were approved. */
  setPin(probe: string): void {
    if (this.#offers.has(probe)) this.#changed();
  }

  #changed(): void {
    this.#entries = null;
    for (const listener of this.#listeners) listener();
  }

  #entryOf(probe: string): CatalogEntry | undefined {
    const pin = this.#facts.pins().get(probe);
    const offer = pin === undefined ? undefined : this.#offers.get(probe)?.get(pin);
    if (offer === undefined) return undefined;
    const { manifest, tool, definitionSha256 } = offer.definition;
    const { capability, params, result } = manifest;
    return { probe, capability, params, result, tool, definitionSha256, agents: offer.agents };
  }

  #offer(agent: KnownAgent): void {
    for (const { digest, probes } of activePacks(agent)) {
      const holders = this.#agentsByPack.get(digest) ?? new Set();
      this.#agentsByPack.set(digest, holders.add(agent.name));
      const pack = this.#facts.packs().get(digest);
      if (pack === undefined) continue;
      const onHost = new Set(probes);
      for (const definition of this.definitionsOf(pack)) {
        if (!onHost.has(definition.name)) continue;
        const { probe, definitionSha256 } = definition;
        const byWords = this.#offers.get(probe) ?? new Map<Digest, Offer>();
        const offer = byWords.get(definitionSha256) ?? { definition, agents: new Map() };
        offer.agents.set(agent.name, digest);
        this.#offers.set(probe, byWords.set(definitionSha256, offer));
      }
    }
  }

  #withdraw(agent: KnownAgent): void {
    for (const { digest } of activePacks(agent)) {
      const holders = this.#agentsByPack.get(digest);
      holders?.delete(agent.name);
      if (holders?.size === 0) this.#agentsByPack.delete(digest);
      for (const { probe, definitionSha256 } of this.#definitions.get(digest) ?? []) {
        const byWords = this.#offers.get(probe);
        const offer = byWords?.get(definitionSha256);
        if (offer?.agents.get(agent.name) !== digest) continue;
        offer.agents.delete(agent.name);
        if (offer.agents.size === 0) byWords?.delete(definitionSha256);
        if (byWords?.size === 0) this.#offers.delete(probe);
      }
    }
  }
}

function activePacks(agent: KnownAgent): { digest: Digest; probes: string[] }[] {
  return agent.packs.flatMap(({ digest, state, probes }) =>
    state === "active" && digest !== null ? [{ digest, probes }] : [],
  );
}

function offersSame(before: KnownAgent, after: KnownAgent): boolean {
  return JSON.stringify(activePacks(before)) === JSON.stringify(activePacks(after));
}
