import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { Change, HubPack, KnownAgent, Pin } from "./facts.ts";

/** Where facts are read; null means all of a kind. */
export type FactSource = {
  readAgents(ids: string[] | null): Promise<KnownAgent[]>;
  readPacks(digests: Digest[] | null): Promise<HubPack[]>;
  readPins(probes: string[] | null): Promise<Pin[]>;
};

/** Hears of a change after the memo has it. It must not throw. */
export type Listener = (change: Change) => void;

/** What has to be read again. */
type Dirty = { all: boolean } & Record<KeptKind, Set<string>>;

/** Packs and pins before agents: what an agent offers is made of them. */
const KEPT_KINDS = ["pack", "pin", "agent"] as const;
type KeptKind = (typeof KEPT_KINDS)[number];

/**
 * The directory's facts in memory: each is dropped by the row that says it changed, and read again
 * together with whatever else changed meanwhile. What is asked of it costs nothing that grows with
 * the fleet.
 */
export class Memo {
  readonly #source: FactSource;
  readonly #listeners: Listener[] = [];
  readonly #agents = new Map<string, KnownAgent>();
  readonly #idsByName = new Map<string, string>();
  readonly #packs = new Map<Digest, HubPack>();
  readonly #pins = new Map<string, Digest>();
  #sorted: KnownAgent[] | null = null;
  #dirty = buildDirty();
  #reading: Promise<void> | null = null;

  constructor(source: FactSource) {
    this.#source = source;
  }

  /** Every agent, by name. */
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

  agentById(id: string): KnownAgent | undefined {
    return this.#agents.get(id);
  }

  packs(): ReadonlyMap<Digest, HubPack> {
    return this.#packs;
  }

  pins(): ReadonlyMap<string, Digest> {
    return this.#pins;
  }

  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads everything: at the start, and when changes may have been missed.
   *
   * @throws what the source throws; everything stays marked to be read
   */
  async reload(): Promise<void> {
    this.#dirty.all = true;
    await this.#catchUp();
  }

  /**
   * Reads what changed again; resolves when the memo has it. A change of what is not kept here is
   * told at once.
   *
   * @throws what the source throws; the facts stay marked and are read with the next change
   */
  async refresh(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      if (isKept(change)) this.#dirty[change.kind].add(change.id);
      else this.#tell(change);
    }
    if (changes.some(isKept)) await this.#catchUp();
  }

  /** One read at a time, so that an older one never overwrites what a newer one has found. */
  async #catchUp(): Promise<void> {
    // One that is under way may have read before the last mark: another follows it.
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
      const [agents, packs, pins] = await Promise.all([
        read("agent", (ids) => this.#source.readAgents(ids)),
        read("pack", (digests) => this.#source.readPacks(digests)),
        read("pin", (probes) => this.#source.readPins(probes)),
      ]);
      this.#keep(agents, packs, pins);
      if (dirty.all) {
        for (const { digest } of packs) dirty.pack.add(digest);
        for (const { probe } of pins) dirty.pin.add(probe);
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

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function isKept(change: Change): change is Change & { kind: KeptKind } {
  return (KEPT_KINDS as readonly string[]).includes(change.kind);
}

function buildDirty(): Dirty {
  return { all: false, pack: new Set(), pin: new Set(), agent: new Set() };
}
