import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { Policy, PolicyHolder, PolicyRef } from "@sonde/schemas/policy";
import type { Tagged } from "@sonde/schemas/tags";
import type { Change, HubPack, KeptPolicy, KnownAgent, Pin } from "./facts.ts";

/** Reads facts. A null argument means all of that kind. */
export type FactSource = {
  readAgents(ids: string[] | null): Promise<KnownAgent[]>;
  readPacks(digests: Digest[] | null): Promise<HubPack[]>;
  readPins(probes: string[] | null): Promise<Pin[]>;
  readPolicies(names: string[] | null): Promise<KeptPolicy[]>;
  readHolders(ids: string[] | null): Promise<PolicyHolder[]>;
};

/** Is called with a change after the memo has the new fact. Must not throw. */
export type Listener = (change: Change) => void;

/** Facts that must be read again. */
type Dirty = { all: boolean } & Record<KeptKind, Set<string>>;

/** Packs and pins come before agents, because an agent's tools are built from them. */
const KEPT_KINDS = ["policy", "holder", "pack", "pin", "agent"] as const;
type KeptKind = (typeof KEPT_KINDS)[number];

/**
 * Cache of the directory's facts. A change invalidates its fact, and the next read fetches all
 * invalid facts together. The cost of a look-up does not grow with the fleet.
 */
export class Memo {
  readonly #source: FactSource;
  readonly #listeners: Listener[] = [];
  readonly #agents = new Map<string, KnownAgent>();
  readonly #idsByName = new Map<string, string>();
  readonly #packs = new Map<Digest, HubPack>();
  readonly #pins = new Map<string, Digest>();
  readonly #policies = new Map<string, Policy>();
  readonly #holders = new Map<string, PolicyRef>();
  #sorted: KnownAgent[] | null = null;
  #dirty = buildDirty();
  #reading: Promise<void> | null = null;

  constructor(source: FactSource) {
    this.#source = source;
  }

  /** Every agent, sorted by name. */
  agents(): readonly KnownAgent[] {
    this.#sorted ??= [...this.#agents.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  /** @throws SondeError AGENT_UNKNOWN */
  agent(name: string): KnownAgent {
    const agent = this.#agents.get(this.#idsByName.get(name) ?? "");
    if (agent !== undefined) return agent;
    throw new SondeError(
      "AGENT_UNKNOWN",
      `expected the name of an enrolled agent, got ${JSON.stringify(name)}`,
    );
  }

  /** What a selector looks at. A name that no agent has is without tags. */
  tagged(name: string): Tagged {
    return this.#agents.get(this.#idsByName.get(name) ?? "") ?? { name, tags: [] };
  }

  agentById(id: string): KnownAgent | undefined {
    return this.#agents.get(id);
  }

  packs(): ReadonlyMap<Digest, HubPack> {
    return this.#packs;
  }

  pins(): ReadonlyMap<string, Digest> {
    return this.#pins;
  }

  /** The policies that have names. */
  policies(): ReadonlyMap<string, Policy> {
    return this.#policies;
  }

  /** The policies that subjects hold, by the subject's id. */
  holders(): ReadonlyMap<string, PolicyRef> {
    return this.#holders;
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads all facts: at the start, and when notifications may have been lost.
   *
   * @throws what the source throws; all facts then stay invalid
   */
  async reload(): Promise<void> {
    this.#dirty.all = true;
    await this.#catchUp();
  }

  /**
   * Reads the changed facts again and resolves when the memo has them. Changes of kinds that the
   * memo does not keep go to the listeners at once.
   *
   * @throws what the source throws; the facts stay invalid until the next change
   */
  async refresh(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      if (isKept(change)) this.#dirty[change.kind].add(change.id);
      else this.#tell(change);
    }
    if (changes.some(isKept)) await this.#catchUp();
  }

  /** Runs one read at a time, so that an older read never overwrites a newer one. */
  async #catchUp(): Promise<void> {
    // A running read may have started before the last change, so wait for it and start another.
    await this.#reading?.catch(() => undefined);
    this.#reading ??= this.#readDirty().finally(() => (this.#reading = null));
    await this.#reading;
  }

  async #readDirty(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = buildDirty();
    const read = async <Fact>(kind: KeptKind, some: (ids: string[] | null) => Promise<Fact[]>) => {
      if (dirty.all) return await some(null);
      return dirty[kind].size === 0 ? [] : await some([...dirty[kind]]);
    };
    try {
      const [policies, holders, agents, packs, pins] = await Promise.all([
        read("policy", (names) => this.#source.readPolicies(names)),
        read("holder", (ids) => this.#source.readHolders(ids)),
        read("agent", (ids) => this.#source.readAgents(ids)),
        read("pack", (digests) => this.#source.readPacks(digests)),
        read("pin", (probes) => this.#source.readPins(probes)),
      ]);
      replace(this.#policies, dirty.all ? null : dirty.policy, policies, ({ name, policy }) => [
        name,
        policy,
      ]);
      replace(this.#holders, dirty.all ? null : dirty.holder, holders, ({ holder, policy }) => [
        holder,
        policy,
      ]);
      this.#keep(agents, packs, pins);
      for (const id of this.#removeGone(agents, dirty)) dirty.agent.add(id);
      if (dirty.all) {
        for (const { digest } of packs) dirty.pack.add(digest);
        for (const { probe } of pins) dirty.pin.add(probe);
        for (const { name } of policies) dirty.policy.add(name);
        for (const { holder } of holders) dirty.holder.add(holder);
        for (const { id } of agents) dirty.agent.add(id);
      }
    } catch (thrown) {
      this.#dirty.all ||= dirty.all;
      for (const kind of KEPT_KINDS) for (const id of dirty[kind]) this.#dirty[kind].add(id);
      throw thrown;
    }
    for (const kind of KEPT_KINDS) for (const id of dirty[kind]) this.#tell({ kind, id });
  }

  #keep(agents: KnownAgent[], packs: HubPack[], pins: Pin[]): void {
    for (const agent of agents) {
      this.#agents.set(agent.id, agent);
      this.#idsByName.set(agent.name, agent.id);
    }
    if (agents.length > 0) this.#sorted = null;
    for (const pack of packs) this.#packs.set(pack.digest, pack);
    for (const { probe, definitionSha256 } of pins) this.#pins.set(probe, definitionSha256);
  }

  /**
   * Removes agents that were read again and are no longer there. Packs and pins are never deleted.
   *
   * @returns their ids
   */
  #removeGone(found: KnownAgent[], dirty: Dirty): string[] {
    const present = new Set(found.map(({ id }) => id));
    const asked = dirty.all ? this.#agents.keys() : dirty.agent;
    const gone = [...asked].filter((id) => !present.has(id));
    for (const id of gone) {
      const agent = this.#agents.get(id);
      this.#agents.delete(id);
      // Another agent may have the name by now.
      if (agent !== undefined && this.#idsByName.get(agent.name) === id) {
        this.#idsByName.delete(agent.name);
      }
    }
    if (gone.length > 0) this.#sorted = null;
    return gone;
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function isKept(change: Change): change is Change & { kind: KeptKind } {
  return (KEPT_KINDS as readonly string[]).includes(change.kind);
}

/** Takes what was read, and removes what was asked for (null for all) and is no longer there. */
function replace<Fact, Kept>(
  kept: Map<string, Kept>,
  asked: Set<string> | null,
  found: readonly Fact[],
  entryOf: (fact: Fact) => [string, Kept],
): void {
  for (const id of asked ?? [...kept.keys()]) kept.delete(id);
  for (const fact of found) kept.set(...entryOf(fact));
}

function buildDirty(): Dirty {
  const empty = () => new Set<string>();
  return {
    all: false,
    ...{ policy: empty(), holder: empty(), pack: empty(), pin: empty(), agent: empty() },
  };
}
