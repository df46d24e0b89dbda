import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { AgentAttestation } from "@sonde/schemas/hub";
import type { Digest } from "@sonde/schemas/names";
import type { AgentStatement } from "@sonde/schemas/wire";
import { scrubSentence } from "@sonde/scrub";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { KeptMessage } from "@sonde/trust/envelope";
import type { AgentHolds } from "../../agents/index.ts";
import { buildAuditRecord } from "../../audit/index.ts";
import { type KnownAgent, toStorable } from "../../directory/index.ts";
import type { AgentStatements } from "../../evidence/index.ts";
import type { Hub } from "../../hub.ts";
import type { Known } from "../core/find-differences.ts";
import {
  chooseAction,
  describeReason,
  needsReview,
  type Judgement,
  judge,
  nameAction,
  SILENT,
  summarise,
} from "../core/judge.ts";
import type { AttestationStore, Attested } from "./attestation-store.ts";
import type { DriftPolicyStore } from "./drift-policy-store.ts";

export type AttestationsOptions = Pick<Hub, "auditLog" | "directory" | "now"> & {
  store: AttestationStore;
  statements: Pick<AgentStatements, "keep">;
  policy: Pick<DriftPolicyStore, "list">;
  holds: Pick<AgentHolds, "hold" | "attestedWell">;
  /** Digests of the files of the agent's release that this hub came with. */
  release: ReadonlySet<Digest>;
};

/** Differences of one statement on record. The store has all of them. */
const MAX_RECORDED = 20;

/**
 * Judges what agents state, and does what the policy says. The statements of one agent must come one
 * after the other. What is found is recorded before it has an effect.
 */
export function createAttestations(options: AttestationsOptions) {
  const { auditLog, directory, now, store, statements, policy, holds, release } = options;
  type Agent = Pick<KnownAgent, "id" | "name">;

  async function stated(
    { id, name }: Agent,
    body: AgentStatement,
    message: KeptMessage,
  ): Promise<void> {
    const before = await store.read(id);
    if (before === null) return;
    const statement = toStorable(body);
    const sha256 = digestOf(statement);
    const at = now();
    await statements.keep(id, { sha256, at, message });
    const inAdvance = before.firstApprovedBy;
    const approved = inAdvance === null ? before.baseline : statement;
    const known = await gatherKnown(id, statement);
    const judgement = judge(approved, statement, known);
    const isSame = before.statementSha256 === sha256 && isEqual(before, judgement);
    if (isSame && inAdvance === null) await store.touch(id, at);
    else {
      await recordJudgement(name, before, judgement, sha256);
      if (inAdvance !== null) await recordApproval("agent.attested", name, inAdvance, sha256);
      const approval = inAdvance === null ? null : { statement, by: inAdvance, at };
      await store.saveStatement(id, { statement, sha256, at }, judgement, approval);
    }
    await act(id, judgement, approved !== null, before.acted);
  }

  /** The agent did not answer, or cannot. Of one that never attested there is nothing to change. */
  async function silent({ id, name }: Agent, why: string): Promise<void> {
    const before = await store.read(id);
    if (before === null || before.attestedAt === null) return;
    if (before.state !== SILENT.state) {
      await auditLog.append(
        buildAuditRecord(now(), "agent.unattested", { agent: name, detail: { why } }),
      );
      await store.saveJudgement(id, SILENT);
    }
    await act(id, SILENT, before.baseline !== null, before.acted);
  }

  async function act(
    id: string,
    judgement: Judgement,
    hasApproved: boolean,
    acted: string | null,
  ): Promise<void> {
    const agent = directory.agentById(id);
    if (agent === undefined) return;
    const { state } = judgement;
    if (state === "approved" || state === "expected") await holds.attestedWell(agent);
    if (!needsReview(judgement, hasApproved)) return;
    const action = chooseAction(await policy.list(), agent);
    const doing = nameAction(judgement, action);
    // Once for each drift: a person may have released the agent since.
    if (action === "flag" || acted === doing) return;
    const kind = action === "quarantine" ? "quarantined" : "restricted";
    await holds.hold(agent, { kind, reason: describeReason(judgement), by: "hub" });
    await store.saveAction(id, doing);
  }

  async function gatherKnown(id: string, { files, programSha256 }: AgentStatement): Promise<Known> {
    const agent = directory.agentById(id);
    const ordered = agent?.desired.packs ?? [];
    const given = agent?.hubGrants.given ?? [];
    const packs = directory.packs();
    const digests = [programSha256, ...files.flatMap(({ sha256 }) => sha256 ?? [])];
    const accepted = await store.findAcceptedPrograms(digests);
    const orderedGroups = ordered.flatMap(({ digest }) => {
      const groups = packs.get(digest)?.manifest.requires.groups ?? [];
      return groups.length === 0 ? [] : [groups];
    });
    const ordersHosts = ordered.some(
      ({ digest }) => (packs.get(digest)?.manifest.requires.hosts ?? []).length > 0,
    );
    return {
      ordered,
      isVerified: (digest) => packs.has(digest),
      isGivenHere: ({ pack, digest, at }) =>
        given.some((one) => {
          return one.pack === pack && one.digest === digest && one.given === Date.parse(at);
        }),
      orderedGroups,
      ordersHosts,
      isKnownFile: (sha256) => release.has(sha256) || accepted.has(sha256),
    };
  }

  async function recordJudgement(
    agent: string,
    before: Attested,
    judgement: Judgement,
    statementSha256: Digest,
  ): Promise<void> {
    if (isEqual(before, judgement)) return;
    const differences = judgement.differences
      .slice(0, MAX_RECORDED)
      .map(({ what, drift }) => `${drift}: ${scrubSentence(what, 300)}`);
    const detail = { ...summarise(judgement), statementSha256, differences };
    await auditLog.append(buildAuditRecord(now(), "agent.drifted", { agent, detail }));
  }

  async function recordApproval(
    event: "agent.attested" | "drift.accepted",
    agent: string,
    principal: string,
    statementSha256: Digest,
  ): Promise<void> {
    const detail = { statementSha256 };
    await auditLog.append(buildAuditRecord(now(), event, { principal, agent, detail }));
  }

  return {
    stated,
    silent,
    async describe({ id, name }: Agent): Promise<AgentAttestation> {
      const found = await store.read(id);
      return {
        agent: name,
        state: found?.state ?? "not-attested",
        attestedAt: found?.attestedAt?.toISOString() ?? null,
        approvedAt: found?.approvedAt?.toISOString() ?? null,
        approvedBy: found?.approvedBy ?? null,
        differences: found?.differences ?? [],
        statementSha256: found?.statementSha256 ?? null,
        statement: found?.statement ?? null,
      };
    },
    /**
     * Approves the statement that the person saw.
     *
     * @throws SondeError BAD_REQUEST when the agent has stated another one since
     */
    async accept({ id, name }: Agent, seen: Digest, by: string): Promise<void> {
      const found = await store.read(id);
      const { statement, statementSha256 } = found ?? { statement: null, statementSha256: null };
      if (statement === null || statementSha256 !== seen) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected the last statement of ${name} (${statementSha256 ?? "there is none"}), got ${seen}`,
        );
      }
      await recordApproval("drift.accepted", name, by, seen);
      const approval = { statement, by, at: now() };
      await store.approve(id, approval);
      await store.acceptPrograms(approval);
    },
    /** Does what a changed policy says about the drift that there is already. */
    async applyPolicy(): Promise<void> {
      for (const { id } of directory.agents().filter(isOdd)) {
        const found = await store.read(id);
        if (found !== null) await act(id, found, found.baseline !== null, found.acted);
      }
    },
  };
}
export type Attestations = ReturnType<typeof createAttestations>;

function isOdd({ attestation }: KnownAgent): boolean {
  return attestation.state !== "approved" && attestation.state !== "expected";
}

function isEqual(a: Judgement, b: Judgement): boolean {
  return a.state === b.state && canonicalJson(a.differences) === canonicalJson(b.differences);
}

function digestOf(statement: AgentStatement): Digest {
  return `sha256:${createHash("sha256").update(canonicalJson(statement)).digest("hex")}`;
}
