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

type Dirty = Record<Change["kind"], Set<string>>;

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
  #refreshing: Promise<void> | null = null;

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

  /** Reads everything: at the start, and when changes may have been missed. */
  async reload(): Promise<void> {
    const [agents, packs, pins] = await Promise.all([
      this.#source.readAgents(null),
      this.#source.readPacks(null),
      this.#source.readPins(null),
    ]);
    this.#keep(agents, packs, pins);
    const changes: Change[] = [
      ...packs.map(({ digest }) => ({ kind: "pack" as const, id: digest })),
      ...pins.map(({ probe }) => ({ kind: "pin" as const, id: probe })),
      ...agents.map(({ id }) => ({ kind: "agent" as const, id })),
    ];
    for (const change of changes) this.#tell(change);
  }

  /**
   * Reads what changed again; resolves when the memo has it.
   *
   * @throws what the source throws; the facts stay marked and are read with the next change
   */
  async refresh(changes: readonly Change[]): Promise<void> {
    for (const { kind, id } of changes) this.#dirty[kind].add(id);
    // One that is under way may have read before these: another follows it.
    await this.#refreshing?.catch(() => undefined);
    this.#refreshing ??= this.#readDirty().finally(() => (this.#refreshing = null));
    await this.#refreshing;
  }

  async #readDirty(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = buildDirty();
    try {
      const [agents, packs, pins] = await Promise.all([
        readSome(dirty.agent, (ids) => this.#source.readAgents(ids)),
        readSome(dirty.pack, (digests) => this.#source.readPacks(digests)),
        readSome(dirty.pin, (probes) => this.#source.readPins(probes)),
      ]);
      this.#keep(agents, packs, pins);
    } catch (thrown) {
      for (const kind of KINDS) for (const id of dirty[kind]) this.#dirty[kind].add(id);
      throw thrown;
    }
    for (const kind of KINDS) for (const id of dirty[kind]) this.#tell({ kind, id });
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

/** Packs and pins before agents: what an agent offers is made of them. */
const KINDS = ["hub", "pack", "pin", "agent-key", "agent", "api-key"] as const;

function buildDirty(): Dirty {
  return {
    agent: new Set(),
    "agent-key": new Set(),
    pack: new Set(),
    pin: new Set(),
    "api-key": new Set(),
    hub: new Set(),
  };
}

async function readSome<T>(ids: Set<string>, read: (ids: string[]) => Promise<T[]>): Promise<T[]> {
  return ids.size === 0 ? [] : await read([...ids]);
}
