import { SondeError } from "@sonde/schemas/errors";
import { keepTrying } from "@sonde/service";
import type { Sql } from "postgres";
import {
  type Change,
  type Directory,
  findRefusal,
  type KnownAgent,
  listGrants,
  requireReleased,
} from "../../directory/index.ts";
import type { AgentAnswer, AgentCall, AgentLink } from "../core/agent-link-port.ts";
import { asTheyCome, type Outcome, type Target } from "../core/fan-out.ts";
import { openPeers } from "./peers.ts";
import { type Question, openRelay } from "./relay.ts";

/** How long the first connection has to answer a ping before a second one may replace it. */
const TAKEOVER_PING_MS = 2_000;
/** Time for the relay to the other hub and back, beyond the agent's time limit. */
const RELAY_MS = 4_000;

export type Asked = Pick<AgentCall, "principal" | "askedBy" | "policyHash" | "body" | "isPlain">;

/**
 * The agents' connections, whichever hub of this database holds them. A lease (agent, hub, epoch)
 * in the database names the holder. Callers may be concurrent. Nothing is retried.
 */
export type Links = {
  /**
   * Sends one call to many agents and yields one outcome for each, in order of arrival. Never
   * throws. An agent without an answer after `withinMs` gets CALL_TIMEOUT. When `signal` says that
   * nobody waits any more, it gets CALL_CANCELLED, and the agents are told to stop.
   */
  deliver(
    targets: readonly Target[],
    asked: Asked,
    withinMs: number,
    signal: AbortSignal,
  ): AsyncIterable<Outcome>;
  isOnline(agent: KnownAgent): boolean;
  /**
   * Takes the lease of an agent for this hub, before its session begins. The session ends as soon
   * as the directory has another key for the agent, has it locked, or has no such agent.
   *
   * @throws SondeError CERTIFICATE_REFUSED while the agent has a live connection, here or elsewhere
   *   (attack 19); AGENT_OFFLINE while this hub is stopping
   */
  lease(agent: { agentId: string; publicKey: string }): Promise<Lease>;
  /** Sends the desired state again to the connected agents that have one of these packs in it. */
  remind(packs: ReadonlySet<string>): void;
  /** The hubs of this database. */
  hubs: {
    /** The names of those that run, this one included. */
    running(): string[];
    /** `listener` is called with each hub that is no longer seen. */
    onGone(listener: (hub: string) => void): void;
  };
  /** Ends every session of this hub. */
  close(): Promise<void>;
};

/** The right to hold one agent's connection. */
export type Lease = {
  /** The session has begun. */
  attach(link: AgentLink): void;
  /** The agent takes calls and its desired state from now on, which is sent now and after each change. */
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
  /** The same of the grants that people gave at this hub. */
  grantsRevision: number | null;
  /** Why the session must end, or must not begin; null while it may go on. */
  over: "enrolled anew" | "revoked" | "locked" | "replaced" | null;
};

/** Of an agent that was told nothing yet. */
const UNTOLD = { revision: null, grantsRevision: null };

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
  const onGone: ((hub: string) => void)[] = [];
  const relay = await openRelay(sql, self, answerPeer, report);
  const peers = await openPeers(sql, directory, self, {
    gone(hub) {
      relay.giveUpOn(hub);
      for (const listener of onGone) listener(hub);
    },
    replaced: () => onReplaced(refuseName()),
    report,
  });
  // An earlier process of this hub left its leases behind; its connections ended with it.
  await releaseAll();

  directory.onChange(({ kind, id }) => {
    const mine = kind === "agent" ? held.get(id) : undefined;
    if (mine === undefined) return;
    const agent = directory.agentById(id);
    if (agent === undefined) {
      mine.over = "revoked";
      return mine.link?.close(mine.over);
    }
    if (agent.publicKey !== mine.publicKey) mine.over = "enrolled anew";
    else if (agent.holds.some((hold) => hold.kind === "locked")) mine.over = "locked";
    else if (mine.epoch > 0 && agent.link.epoch > mine.epoch) mine.over = "replaced";
    if (mine.over !== null) return mine.link?.close(mine.over);
    // A restricted agent may finish what it began; every other hold ends it (attack 22).
    const isStopped = agent.holds.some((hold) => hold.kind !== "restricted");
    const refusal = isStopped ? findRefusal(agent) : null;
    if (refusal !== null) mine.link?.cancelCalls(refusal);
    if (mine.revision !== null && agent.desired.revision > mine.revision) tellDesired(agent, mine);
    const { grantsRevision } = mine;
    if (grantsRevision !== null && agent.hubGrants.revision > grantsRevision) {
      tellGrants(agent, mine);
    }
  });

  function tellGrants({ hubGrants }: KnownAgent, mine: Held): void {
    mine.grantsRevision = hubGrants.revision;
    mine.link?.sendGrants(listGrants(hubGrants, now()));
  }

  function tellDesired({ desired }: KnownAgent, mine: Held): void {
    mine.revision = desired.revision;
    mine.link?.sendDesiredState(desired);
  }

  async function answerPeer(question: Question): Promise<unknown> {
    const mine = held.get(question.agentId);
    switch (question.op) {
      case "call":
        // The hub that asks may not have heard of a hold yet.
        findReleased(question.agentId);
        return await readyLink(mine, question.agentId).call(question.call);
      case "ping":
        return await isAlive(mine, question.timeoutMs);
      case "cancel":
        mine?.link?.cancelCall(question.callId, givenUp());
        return null;
    }
  }

  /** @throws SondeError as `requireReleased` */
  function findReleased(agentId: string): KnownAgent | undefined {
    const agent = directory.agentById(agentId);
    if (agent !== undefined) requireReleased(agent);
    return agent;
  }

  /** An agent gets no call before its statement was judged: it may be held for that. */
  function readyLink(mine: Held | undefined, agentId: string): AgentLink {
    if (mine === undefined || mine.link === null || mine.revision === null) throw offline(agentId);
    return mine.link;
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
    // Again, since the call was recorded meanwhile: a hold ends calls that were sent before it.
    const agent = findReleased(agentId);
    const local = held.get(agentId);
    if (local !== undefined) return await readyLink(local, agentId).call(call);
    const elsewhere = agent === undefined ? null : holderElsewhere(agent);
    if (elsewhere === null) throw agent === undefined ? offline(agentId) : unreachable(agent);
    const limitMs = asked.body.timeoutMs + RELAY_MS;
    return await relay.ask(elsewhere, { op: "call", agentId, call }, limitMs);
  }

  /** The outcome of the call does not wait for this. */
  function cancelOne({ agentId, callId }: Target): void {
    const local = held.get(agentId);
    if (local !== undefined) return local.link?.cancelCall(callId, givenUp());
    const agent = directory.agentById(agentId);
    const elsewhere = agent === undefined ? null : holderElsewhere(agent);
    if (elsewhere === null) return;
    relay.ask(elsewhere, { op: "cancel", agentId, callId }, RELAY_MS).catch(report);
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
    const mine: Held = { publicKey, epoch: 0, link: null, over: null, ...UNTOLD };
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
    const epoch = seen + 1;
    const taken = await directory.changeAgent(
      agentId,
      sql`link_hub = ${self}, link_epoch = ${epoch}`,
      sql`link_epoch = ${seen}`,
    );
    if (!taken) throw refuseSecond();
    return epoch;
  }

  async function release(agentId: string, mine: Held): Promise<void> {
    if (held.get(agentId) !== mine) return;
    held.delete(agentId);
    const at = now();
    const letGo = async () => {
      await directory.changeAgent(
        agentId,
        sql`link_hub = null, last_seen_at = ${at}`,
        sql`link_hub = ${self} and link_epoch = ${mine.epoch}`,
      );
    };
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
    async *deliver(targets, asked, withinMs, signal) {
      const over = Promise.withResolvers<SondeError>();
      const timer = setTimeout(() => over.resolve(late()), withinMs);
      const onAbort = () => {
        over.resolve(givenUp());
        for (const target of targets) cancelOne(target);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const ask = async (target: Target) => {
          if (signal.aborted) throw givenUp();
          return await deliverOne(target, asked);
        };
        yield* asTheyCome(targets, ask, over.promise);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      }
    },
    isOnline(agent) {
      if (agent.link.hub !== self) return holderElsewhere(agent) !== null;
      const mine = held.get(agent.id);
      return mine !== undefined && mine.link !== null;
    },
    async lease({ agentId, publicKey }) {
      if (closing.signal.aborted) throw offline(agentId);
      // Only another hub's hold on the agent needs a fresh look: it may be gone.
      const holder = directory.agentById(agentId)?.link.hub ?? self;
      if (holder !== self) await peers.look();
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
          if (known === undefined) return;
          tellDesired(known, mine);
          tellGrants(known, mine);
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
    hubs: {
      running: () => peers.running(),
      onGone: (listener) => void onGone.push(listener),
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

function unreachable({ name, refusedHubAt }: KnownAgent): SondeError {
  if (refusedHubAt === null) return offline(name);
  const sentence = `agent ${name} refuses this hub since it saw a later state of it, last at ${refusedHubAt}`;
  return new SondeError("HUB_ROLLED_BACK", sentence);
}

function offline(agent: string): SondeError {
  return new SondeError("AGENT_OFFLINE", `agent ${agent} is not connected`);
}

function late(): SondeError {
  return new SondeError("CALL_TIMEOUT", "expected an answer by the deadline, got none");
}

function givenUp(): SondeError {
  return new SondeError("CALL_CANCELLED", "the client does not wait for the answer any more");
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
