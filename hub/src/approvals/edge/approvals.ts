import { setTimeout as delay } from "node:timers/promises";
import type { ApprovalOutcome, ApprovalRequest, ApprovePack } from "@sonde/schemas/approvals";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { PackName } from "@sonde/schemas/names";
import { diffPermissions } from "@sonde/trust/pack";
import { buildAuditRecord } from "../../audit/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import type { Principal } from "../../identity/index.ts";
import {
  describeListed,
  describeRequest,
  grantableItems,
  type RequestFacts,
} from "../core/describe-request.ts";
import type { ApprovalStore } from "./approval-store.ts";

/** How long an approval waits for an agent that is offline. */
const WAITS_MS = 24 * 60 * 60_000;
/** How long an answer waits for the agent's. */
const ANSWER_MS = 5_000;
/** The most that an agent is sent; a message of the hub has at most 512 KiB. */
const MAX_LIST_BYTES = 384 * 1024;

/**
 * Decides about grants at this hub. Whether a grant counts, the agent decides on its host. Every act is
 * recorded before it has an effect.
 */
export function createApprovals(
  hub: Pick<Hub, "auditLog" | "directory" | "links" | "now" | "onStop">,
  store: ApprovalStore,
) {
  const { auditLog, directory, links, now } = hub;
  const waiting = new Map<string, Set<() => void>>();
  const stopping = new AbortController();
  hub.onStop(() => stopping.abort());
  directory.onChange(({ kind, id }) => {
    if (kind === "agent") for (const look of waiting.get(id) ?? []) look();
  });

  /** Resolves when the agent answered to that revision, or does not in time. */
  async function untilAnswered(agentId: string, revision: number): Promise<void> {
    const answered = Promise.withResolvers<void>();
    const look = (): void => {
      const agent = directory.agentById(agentId);
      if (agent === undefined || !links.isOnline(agent)) return answered.resolve();
      if ((agent.approvals?.revision ?? 0) >= revision) answered.resolve();
    };
    const looks = waiting.get(agentId) ?? new Set();
    waiting.set(agentId, looks.add(look));
    const over = new AbortController();
    try {
      look();
      const signal = AbortSignal.any([over.signal, stopping.signal]);
      await Promise.race([
        answered.promise,
        delay(ANSWER_MS, undefined, { signal }).catch(() => undefined),
      ]);
    } finally {
      over.abort();
      looks.delete(look);
      if (looks.size === 0) waiting.delete(agentId);
    }
  }

  /** @throws SondeError NOT_FOUND for a pack that the agent neither has nor should have */
  function describe(agent: KnownAgent, name: PackName): ApprovalRequest {
    const pack = findVersion(agent, name);
    if (pack === null) {
      throw new SondeError(
        "NOT_FOUND",
        `expected a pack that ${agent.name} should have and this hub verified, got ${name}`,
      );
    }
    return describeRequest(factsOf(agent, pack));
  }

  function factsOf(agent: KnownAgent, pack: HubPack): RequestFacts {
    const active = agent.packs.find(({ name, state, digest }) => {
      return name === pack.name && state === "active" && digest !== pack.digest;
    });
    const serving = directory.packs().get(active?.digest ?? "") ?? null;
    return { agent, online: links.isOnline(agent), pack, serving, now: now() };
  }

  /** The version that there is to decide about: the one that the agent should have. */
  function findVersion(agent: KnownAgent, name: PackName): HubPack | null {
    const digests = [...agent.desired.packs, ...agent.packs.toReversed()].flatMap((one) =>
      one.name === name ? (one.digest ?? []) : [],
    );
    const known = digests.map((digest) => directory.packs().get(digest));
    return known.find((pack) => pack !== undefined) ?? null;
  }

  async function record(
    event: "pack.approved" | "pack.approval-revoked",
    { subject }: Pick<Principal, "subject">,
    agent: KnownAgent,
    detail: Record<string, unknown>,
    refusal: SondeError | null = null,
  ): Promise<void> {
    await auditLog.append(
      buildAuditRecord(now(), event, {
        principal: subject.id,
        agent: agent.name,
        ...(refusal !== null && { status: "denied", code: refusal.code }),
        detail,
      }),
    );
  }

  /** Records an act, and does it. What then does not happen is recorded too. */
  async function act(
    event: "pack.approved" | "pack.approval-revoked",
    principal: Pick<Principal, "subject">,
    agent: KnownAgent,
    detail: Record<string, unknown>,
    work: () => Promise<number>,
  ): Promise<number> {
    await record(event, principal, agent, detail);
    try {
      return await work();
    } catch (thrown) {
      await record(event, principal, agent, detail, toSondeError(thrown));
      throw thrown;
    }
  }

  return {
    describe,
    describeListed: (agent: KnownAgent, pack: HubPack) => describeListed(factsOf(agent, pack)),
    /**
     * Grants what the host lets the hub grant of exactly what the person saw.
     *
     * @throws SondeError APPROVAL_STALE, HOST_DECIDES, BAD_REQUEST
     */
    async approve(
      agent: KnownAgent,
      name: PackName,
      { shownSha256, items }: ApprovePack,
      principal: Principal,
    ): Promise<ApprovalOutcome> {
      const shown = describe(agent, name);
      requireShown(shown, shownSha256);
      const asked = items ?? shown.items.map(({ item }) => item);
      requireAskedFor(shown, asked);
      const grantable = new Set(grantableItems(shown));
      const granted = asked.filter((item) => grantable.has(item));
      if (granted.length === 0) throw refuseForHost(shown);
      const { id, name: byName } = principal.subject;
      const expiresAt = new Date(now().getTime() + WAITS_MS);
      const { digest, version } = shown;
      requireRoom(agent, granted);
      const detail = { pack: name, version, digest, items: granted, byName, shownSha256 };
      const revision = await act("pack.approved", principal, agent, detail, () =>
        store.give(agent, { pack: name, digest, items: granted, by: id, byName, expiresAt }),
      );
      await untilAnswered(agent.id, revision);
      const request = describe(directory.agent(agent.name), name);
      return { items: asked.map((item) => describeOutcome(request, item, granted)), request };
    },
    /** @throws SondeError BAD_REQUEST when the hub granted nothing of the pack there */
    async revoke(
      agent: KnownAgent,
      name: PackName,
      principal: Principal,
    ): Promise<ApprovalRequest> {
      if (!agent.hubGrants.given.some(({ pack }) => pack === name)) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected an approval of ${name} on ${agent.name} that was given at this hub, there is none; what the host granted is taken back there: sonde-agent revoke ${name}`,
        );
      }
      const revision = await act("pack.approval-revoked", principal, agent, { pack: name }, () =>
        store.takeBack(agent, name),
      );
      await untilAnswered(agent.id, revision);
      return describe(directory.agent(agent.name), name);
    },
    /**
     * Gives what a person granted to the version before to a version that asks for nothing more. Else
     * it waits for a person, as on the host.
     */
    async carryOver({ id }: Pick<KnownAgent, "id">, pack: HubPack): Promise<void> {
      const agent = directory.agentById(id);
      const given = agent?.hubGrants.given.filter((one) => one.pack === pack.name) ?? [];
      const [newest] = given.toSorted((a, b) => b.given - a.given);
      if (agent === undefined || newest === undefined || newest.takenAt === null) return;
      const before = directory.packs().get(newest.digest);
      if (before === undefined || newest.digest === pack.digest) return;
      if (diffPermissions(before.manifest, pack.manifest).asksMore) return;
      const { by, byName, items } = newest;
      const { digest, name, version } = pack;
      const from = before.version;
      const detail = { pack: name, version, digest, items, byName, carriedFrom: from };
      const subject = { id: by, name: byName };
      await act("pack.approved", { subject }, agent, detail, () =>
        store.give(agent, { pack: name, digest, items, by, byName, expiresAt: null }),
      );
    },
  };
}
export type Approvals = ReturnType<typeof createApprovals>;

/** Attack 35: an approval is for what was shown. */
function requireShown(shown: ApprovalRequest, seen: string): void {
  if (shown.shownSha256 === seen) return;
  throw new SondeError(
    "APPROVAL_STALE",
    `expected an approval of what ${shown.pack} asks for now (${shown.shownSha256}), got one of ${seen}`,
  );
}

function requireAskedFor({ items, pack }: ApprovalRequest, asked: readonly string[]): void {
  const known = new Set(items.map(({ item }) => item));
  const stray = asked.find((item) => !known.has(item));
  if (stray === undefined) return;
  throw new SondeError(
    "BAD_REQUEST",
    `expected items that ${pack} asks for, got ${JSON.stringify(stray)}`,
  );
}

function requireRoom({ name, hubGrants }: KnownAgent, items: readonly string[]): void {
  const bytes = JSON.stringify([hubGrants.given, items]).length;
  if (bytes <= MAX_LIST_BYTES) return;
  throw new SondeError(
    "BAD_REQUEST",
    `${name}: expected approvals of at most ${MAX_LIST_BYTES} bytes in all; approve this one on the host`,
  );
}

function refuseForHost({ agent, pack, refusedOnHost }: ApprovalRequest): SondeError {
  const why = refusedOnHost ? `${pack} was revoked on ${agent}` : "";
  const lets = why === "" ? `${agent} lets its hub grant nothing of this` : why;
  return new SondeError("HOST_DECIDES", `${lets}; on ${agent}: sonde-agent approve ${pack}`);
}

type Outcome = ApprovalOutcome["items"][number];

function describeOutcome(
  request: ApprovalRequest,
  item: string,
  granted: readonly string[],
): Outcome {
  const now = request.items.find((one) => one.item === item);
  if (now?.state === "granted") return { item, outcome: "granted", why: null };
  const isGiven = granted.includes(item);
  if (isGiven && request.approval?.takenAt === null) return { item, outcome: "waits", why: null };
  if (request.refusedOnHost)
    return { item, outcome: "held", why: "the pack was revoked on the host" };
  if (now?.state === "withheld")
    return { item, outcome: "held", why: "it was refused on the host" };
  return {
    item,
    outcome: "held",
    why: isGiven ? "the host did not take it over" : "the host does not let the hub grant it",
  };
}
