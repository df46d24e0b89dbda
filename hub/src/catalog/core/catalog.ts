import type { Runbook, ValueSchema } from "@sonde/schemas/manifest";
import type { Capability, Digest } from "@sonde/schemas/names";
import type { Tagged } from "@sonde/schemas/tags";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import {
  buildDefinitions,
  describeRunbook,
  type ProbeDefinition,
  type ToolDefinition,
  type Words,
} from "./tool-definition.ts";

/** One probe that can be called now, and the agents that offer it. */
export type CatalogEntry = {
  probe: string;
  capability: Capability;
  params: ValueSchema;
  /** The schema of the answer. No tool shows it, but a pin covers it. */
  result: ValueSchema;
  tool: ToolDefinition;
  definitionSha256: Digest;
  /** By agent name. */
  agents: ReadonlyMap<string, Place>;
};

/** An agent, and the digest of the pack that serves a probe there. */
type Place = { agent: Tagged; digest: Digest };

/** The facts that the catalog is built from, read from the directory. */
export type CatalogFacts = {
  packs(): ReadonlyMap<Digest, HubPack>;
  pins(): ReadonlyMap<string, Digest>;
};

/** One wording of a probe, and the agents that offer it. Several archives may share a wording. */
type Offer = { definition: ProbeDefinition; agents: Map<string, Place> };

/**
 * All that can be called: active packs of known agents, from archives that this hub verified, whose
 * definitions equal the pinned ones. Offline agents keep their tools.
 *
 * Tools are built once for each archive. The cost of a change grows with the one agent, pack or
 * pin, not with the fleet.
 */
export class Catalog {
  readonly #facts: CatalogFacts;
  readonly #definitions = new Map<Digest, ProbeDefinition[]>();
  /** Probe -> hash of its words -> the agents that offer them. */
  readonly #offers = new Map<string, Map<Digest, Offer>>();
  readonly #agents = new Map<string, KnownAgent>();
  /**
   * Archive -> agents that report it as active, also when this hub does not know the archive yet.
   */
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

  /** Returns every probe of an archive with its tool. Cached. */
  definitionsOf(pack: HubPack): readonly ProbeDefinition[] {
    const known = this.#definitions.get(pack.digest);
    if (known !== undefined) return known;
    const definitions = buildDefinitions(pack);
    this.#definitions.set(pack.digest, definitions);
    return definitions;
  }

  /** What of an archive a person approves: the words of each probe, and those of the runbook. */
  wordsOf(pack: HubPack): readonly Words[] {
    const runbook = describeRunbook(pack);
    return [...this.definitionsOf(pack), ...(runbook === null ? [] : [runbook])];
  }

  /** Returns the runbook of an archive; null when it has none, or one that nobody approved. */
  runbookOf(pack: HubPack): Runbook | null {
    const words = describeRunbook(pack);
    if (words === null || this.#facts.pins().get(words.probe) !== words.definitionSha256)
      return null;
    return pack.manifest.runbook ?? null;
  }

  /** Adds a listener that is called when entries may have changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Withdraws everything that a removed agent offered. */
  removeAgent(id: string): void {
    const agent = [...this.#agents.values()].find((known) => known.id === id);
    if (agent === undefined) return;
    this.#agents.delete(agent.name);
    this.#withdraw(agent);
    this.#changed();
  }

  setAgent(agent: KnownAgent): void {
    const before = this.#agents.get(agent.name);
    this.#agents.set(agent.name, agent);
    if (before !== undefined && offersSame(before, agent)) return;
    if (before !== undefined) this.#withdraw(before);
    this.#offer(agent);
    this.#changed();
  }

  /** Takes in a new archive, or a changed signer of a known one. */
  setPack(digest: Digest): void {
    const waiting = [...(this.#agentsByPack.get(digest) ?? [])].flatMap(
      (name) => this.#agents.get(name) ?? [],
    );
    for (const agent of waiting) this.#withdraw(agent);
    this.#definitions.delete(digest);
    for (const agent of waiting) this.#offer(agent);
    if (waiting.length > 0) this.#changed();
  }

  /** Takes in a changed approval of a probe's words. */
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
        offer.agents.set(agent.name, { agent: { name: agent.name, tags: agent.tags }, digest });
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
        if (offer?.agents.get(agent.name)?.digest !== digest) continue;
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

/** What a catalog tells of an agent. */
const describe = (agent: KnownAgent) => [agent.tags, activePacks(agent)];

function offersSame(before: KnownAgent, after: KnownAgent): boolean {
  return JSON.stringify(describe(before)) === JSON.stringify(describe(after));
}
