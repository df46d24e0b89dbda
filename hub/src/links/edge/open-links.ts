import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { CallBody } from "@sonde/schemas/wire";
import { keepTrying } from "@sonde/service";
import type { Sql } from "postgres";
import type { Change, Directory, KnownAgent } from "../../directory/index.ts";
import type { AgentAnswer, AgentLink } from "../core/agent-link-port.ts";
import { openPeers } from "./peers.ts";
import { type Question, openRelay } from "./relay.ts";

/** How long the first connection has to answer a ping before a second one may replace it. */
const TAKEOVER_PING_MS = 2_000;
/** Time for the relay to the other hub and back, beyond the agent's time limit. */
const RELAY_MS = 4_000;

/** One agent of a fan-out. */
export type Target = { agentId: string; callId: string; packDigest: Digest };
export type Asked = { principal: string; policyHash: Digest; body: CallBody };
export type Outcome =
  | { agentId: string; answer: AgentAnswer }
  | { agentId: string; error: SondeError };

/**
 * The agents' connections, whichever hub of this database holds them. A lease (agent, hub, epoch)
 * in the database names the holder. Callers may be concurrent. Nothing is retried.
 */
export type Links = {
  /**
   * Sends one call to many agents and yields one outcome for each, in order of arrival. Never
   * throws.
   */
  deliver(targets: readonly Target[], asked: Asked): AsyncIterable<Outcome>;
  isOnline(agent: KnownAgent): boolean;
  /**
   * Takes the lease of an agent for this hub, before its session begins. The session ends as soon
   * as the directory has another key for the agent.
   *
   * @throws SondeError CERTIFICATE_REFUSED while the agent has a live connection, here or elsewhere
   *   (attack 19); AGENT_OFFLINE while this hub is stopping
   */
  lease(agent: { agentId: string; publicKey: string }): Promise<Lease>;
  /** Sends the desired state again to the connected agents that have one of these packs in it. */
  remind(packs: ReadonlySet<string>): void;
  /** Ends every session of this hub. */
  close(): Promise<void>;
};

/** The right to hold one agent's connection. */
export type Lease = {
  /** The session has begun. */
  attach(link: AgentLink): void;
  /** The agent accepts its desired state from now on: it is sent now and after each change. */
  ready(): void;
  /** Ends the lease after the connection closed or failed to start. Idempotent. */
  release(): Promise<void>;
};

type Held = {
  /** PEM of the key that authenticated the connection. */
  publicKey: string;
  epoch: number;
  link: AgentLink | null;
  /** Revision of the desired state that was sent last; null until the agent's hello. */
  revision: number | null;
  /** Why the session must end, or must not begin; null while it may go on. */
  over: "enrolled anew" | "replaced" | null;
};

export type LinksOptions = {
  sql: Sql;
  directory: Directory;
  /** This hub's name among the hubs of the database. Survives a restart. */
  self: string;
  now: () => Date;
  report: (error: Error) => void;
  /** Called when another process runs under this hub's name: this process must end. */
  onReplaced: (error: SondeError) => void;
};

export async function openLinks(options: LinksOptions): Promise<Links> {
  const { sql, directory, self, now, report, onReplaced } = options;
  const held = new Map<string, Held>();
  const closing = new AbortController();
  const relay = await openRelay(sql, self, answerPeer, report);
  const peers = await openPeers(sql, directory, self, {
    gone: (hub) => relay.giveUpOn(hub),
    replaced: () => onReplaced(refuseName()),
    report,
  });
  // An earlier process of this hub left its leases behind; its connections ended with it.
  await releaseAll();

  directory.onChange(({ kind, id }) => {
    const mine = held.get(id);
    const agent = directory.agentById(id);
    if (mine === undefined || agent === undefined) return;
    if (kind !== "agent") return;
    if (agent.publicKey !== mine.publicKey) mine.over = "enrolled anew";
    else if (mine.epoch > 0 && agent.link.epoch > mine.epoch) mine.over = "replaced";
    if (mine.over !== null) return mine.link?.close(mine.over);
    if (mine.revision !== null && agent.desired.revision > mine.revision) tellDesired(agent, mine);
  });

  function tellDesired({ desired }: KnownAgent, mine: Held): void {
    mine.revision = desired.revision;
    mine.link?.sendDesiredState(desired);
  }

  async function answerPeer(question: Question): Promise<unknown> {
    const mine = held.get(question.agentId);
    switch (question.op) {
      case "call":
        if (mine?.link === undefined || mine.link === null) throw offline(question.agentId);
        return await mine.link.call(question.call);
      case "ping":
        return await isAlive(mine, question.timeoutMs);
    }
  }

  /** A connection whose session has not begun yet counts as alive. */
  async function isAlive(mine: Held | undefined, timeoutMs: number): Promise<boolean> {
    if (mine === undefined) return false;
    return mine.link === null || (await mine.link.ping(timeoutMs));
  }

  /** Returns the other live hub that holds the agent, if any. */
  function holderElsewhere({ link: { hub } }: KnownAgent): string | null {
    return hub !== null && hub !== self && peers.isLive(hub) ? hub : null;
  }

  async function deliverOne(target: Target, asked: Asked): Promise<AgentAnswer> {
    const { agentId, callId, packDigest } = target;
    const call = { ...asked, callId, packDigest };
    const local = held.get(agentId)?.link;
    if (local !== undefined && local !== null) return await local.call(call);
    const agent = directory.agentById(agentId);
    const elsewhere = agent === undefined ? null : holderElsewhere(agent);
    if (elsewhere === null) throw offline(agent?.name ?? agentId);
    const limitMs = asked.body.timeoutMs + RELAY_MS;
    return await relay.ask(elsewhere, { op: "call", agentId, call }, limitMs);
  }

  /**
   * Reserves the agent for a new connection. A live older connection wins; a dead one is replaced.
   *
   * @throws SondeError CERTIFICATE_REFUSED
   */
  async function takePlace(agent: KnownAgent, publicKey: string): Promise<Held> {
    const before = held.get(agent.id);
    const elsewhere = holderElsewhere(agent);
    if (await isAlive(before, TAKEOVER_PING_MS)) throw refuseSecond();
    if (elsewhere !== null && (await pingElsewhere(elsewhere, agent.id))) throw refuseSecond();
    // Two connections may arrive at once and both find no holder. The second then finds the first
    // one's entry here. Do not await between this check and the `set` below.
    if (held.get(agent.id) !== before) throw refuseSecond();
    const mine: Held = { publicKey, epoch: 0, link: null, revision: null, over: null };
    held.set(agent.id, mine);
    before?.link?.close("replaced");
    return mine;
  }

  async function pingElsewhere(hub: string, agentId: string): Promise<boolean> {
    const question = { op: "ping", agentId, timeoutMs: TAKEOVER_PING_MS } as const;
    // A hub that does not answer holds no agent.
    return await relay.ask(hub, question, TAKEOVER_PING_MS + RELAY_MS).catch(() => false);
  }

  async function takeLease(agentId: string, seen: number): Promise<number> {
    const change: Change = { kind: "agent", id: agentId };
    return await directory.change([change], async (tx) => {
      const [row] = await tx<{ epoch: number }[]>`
        update agents set link_hub = ${self}, link_epoch = link_epoch + 1
        where id = ${agentId} and link_epoch = ${seen} returning link_epoch::float8 as epoch`;
      if (row === undefined) throw refuseSecond();
      return row.epoch;
    });
  }

  async function release(agentId: string, mine: Held): Promise<void> {
    if (held.get(agentId) !== mine) return;
    held.delete(agentId);
    const at = now();
    const letGo = () =>
      directory.change([{ kind: "agent", id: agentId }], async (tx) => {
        await tx`update agents set link_hub = null, last_seen_at = ${at}
          where id = ${agentId} and link_hub = ${self} and link_epoch = ${mine.epoch}`;
      });
    // Retry: until this is stored, other hubs take the agent for connected.
    await keepTrying(letGo, report, closing.signal);
  }

  async function releaseAll(): Promise<void> {
    const mine = directory.agents().filter(({ link }) => link.hub === self);
    if (mine.length === 0) return;
    const changes = mine.map(({ id }): Change => ({ kind: "agent", id }));
    await directory.change(changes, async (tx) => {
      await tx`update agents set link_hub = null where link_hub = ${self}`;
    });
  }

  return {
    deliver: (targets, asked) => asTheyCome(targets, (target) => deliverOne(target, asked)),
    isOnline(agent) {
      if (agent.link.hub !== self) return holderElsewhere(agent) !== null;
      const mine = held.get(agent.id);
      return mine !== undefined && mine.link !== null;
    },
    async lease({ agentId, publicKey }) {
      if (closing.signal.aborted) throw offline(agentId);
      await peers.look();
      const agent = directory.agentById(agentId);
      if (agent === undefined) throw new SondeError("AGENT_UNKNOWN", "expected an enrolled agent");
      const mine = await takePlace(agent, publicKey);
      try {
        mine.epoch = await takeLease(agentId, agent.link.epoch);
        if (closing.signal.aborted) throw offline(agent.name);
      } catch (thrown) {
        if (held.get(agentId) === mine) held.delete(agentId);
        throw thrown;
      }
      return {
        attach(link) {
          mine.link = link;
          if (mine.over !== null) link.close(mine.over);
        },
        ready() {
          const known = directory.agentById(agentId);
          if (known !== undefined) tellDesired(known, mine);
        },
        release: () => release(agentId, mine),
      };
    },
    remind(packs) {
      for (const [agentId, mine] of held) {
        const agent = directory.agentById(agentId);
        if (agent === undefined || mine.revision === null) continue;
        if (agent.desired.packs.some(({ name }) => packs.has(name))) tellDesired(agent, mine);
      }
    },
    async close() {
      closing.abort();
      for (const { link } of held.values()) link?.close("the hub is stopping");
      held.clear();
      await releaseAll();
      await relay.close();
      await peers.close();
    },
  };
}

/** Yields outcomes in order of arrival. At most one per target is buffered. */
async function* asTheyCome(
  targets: readonly Target[],
  ask: (target: Target) => Promise<AgentAnswer>,
): AsyncIterable<Outcome> {
  const arrived: Outcome[] = [];
  let more = Promise.withResolvers<void>();
  const add = (outcome: Outcome): void => {
    arrived.push(outcome);
    more.resolve();
  };
  for (const target of targets) {
    const { agentId } = target;
    ask(target).then(
      (answer) => add({ agentId, answer }),
      (thrown: unknown) => add({ agentId, error: toSondeError(thrown) }),
    );
  }
  for (let left = targets.length; left > 0; ) {
    await more.promise;
    more = Promise.withResolvers();
    const now = arrived.splice(0);
    left -= now.length;
    yield* now;
  }
}

function offline(agent: string): SondeError {
  return new SondeError("AGENT_OFFLINE", `agent ${agent} is not connected`);
}

function refuseName(): SondeError {
  return new SondeError(
    "CONFIG_INVALID",
    "another process runs under this hub's name: expected a hub-name of its own in each data folder",
  );
}

function refuseSecond(): SondeError {
  return new SondeError("CERTIFICATE_REFUSED", "this agent has a live connection already");
}
