import { type AgentStatus, type HubMayGrant, type PackExplanation } from "@sonde/schemas/agent";
import type { Failure } from "@sonde/schemas/reads";
import { SondeError } from "@sonde/schemas/errors";
import type { Digest, PackName } from "@sonde/schemas/names";
import { RELEASE } from "@sonde/schemas/release";
import type { ApprovalsBody, HelloBody, LogHead, PackReportBody } from "@sonde/schemas/wire";
import { buildApprovals } from "./approval-report.ts";
import type { HubGrants } from "./hub-grants.ts";
import type { AuditLog } from "./audit-log.ts";
import type { Ceiling } from "./ceiling.ts";
import { explainPack } from "./pack-report.ts";
import type { Packs } from "./packs.ts";
import type { AgentEvent } from "./record-event.ts";
import type { RegistryView } from "./registry-view.ts";
import type { RunnerPort } from "./runner-port.ts";

/** Facts about the machine and the program, read at the start, and the configuration read last. */
export type HostStatement = Pick<
  HelloBody,
  "bootId" | "os" | "kernel" | "arch" | "binarySha256" | "configSha256"
>;

export type DescribedAgent = {
  name: string;
  hubId: string;
  agentId: string;
  /** As it is in force now, as `host` is. */
  readonly ceiling: Ceiling;
  /** What the host lets the hub grant, as it is in force now. */
  readonly hubMayGrant: HubMayGrant;
  hubGrants: Pick<HubGrants, "revision">;
  /** The agent's own user id. */
  uid: number;
  /** The configured set-up; used while no runner is connected to show the real one. */
  sameUid: boolean;
  /** Set when an approval makes the runner that the pack needs. */
  runnerSockets?: string;
  readonly host: HostStatement;
  packs: Packs;
  runner: RunnerPort;
  audit: AuditLog;
  /**
   * Reads the hash of an entry of this log: null when the log ends before it, undefined when it was
   * dropped.
   */
  hashOf: (seq: number) => Digest | null | undefined;
  registry: RegistryView;
  /** The certificate that is kept durably; its serial number in lower-case hex. */
  certificate: () => { serial: string; endsAt: Date };
};

/** Builds what the agent states about itself to its hub and to administrators on its host. */
export function describeAgent(agent: DescribedAgent): {
  hello: (agentHead: LogHead | null) => HelloBody;
  packReport: () => PackReportBody;
  approvals: () => ApprovalsBody;
  /**
   * @param problem why there is no certificate in force
   * @param hub what the agent saw of its hub
   */
  status: (
    connectedSince: number | null,
    problem: Failure | null,
    hub: AgentStatus["hub"],
  ) => AgentStatus;
  explain: (name: PackName) => PackExplanation;
} {
  const { name, hubId, agentId, packs, runner, audit, registry } = agent;
  const wall = () => (isWalled(agent) ? "separate-user" : "same-uid");
  const auditHead = () => audit.head();
  const seenAt = (size: number): Pick<HelloBody, "seenHead"> => {
    const hash = agent.hashOf(size);
    if (hash === undefined) return {};
    return { seenHead: hash === null ? null : { size, hash } };
  };
  return {
    hello: (agentHead) => ({
      name,
      agentVersion: RELEASE,
      ...agent.host,
      maxCapability: agent.ceiling.maxCapability,
      wall: wall(),
      packs: packs.reports(),
      auditHead: auditHead(),
      ...(agentHead !== null && seenAt(agentHead.size)),
      registryHead: registry.report(),
    }),
    packReport: () => ({
      packs: packs.reports(),
      auditHead: auditHead(),
      registryHead: registry.report(),
      certificateSerial: agent.certificate().serial,
    }),
    approvals: () =>
      buildApprovals(packs.archives(), {
        hubMayGrant: agent.hubMayGrant,
        revision: agent.hubGrants.revision(),
      }),
    status: (connectedSince, problem, hub) => ({
      name,
      agentId,
      hubId,
      connected: connectedSince !== null,
      connectedSince: connectedSince === null ? null : new Date(connectedSince).toISOString(),
      certificate: { endsAt: agent.certificate().endsAt.toISOString(), problem },
      hub,
      maxCapability: agent.ceiling.maxCapability,
      hubGrants: {
        mayGrant: agent.hubMayGrant,
        packs: packs.archives().flatMap(({ admitted, grant }) => {
          if (grant?.byHub === undefined) return [];
          const { by, at } = grant.byHub;
          return [{ pack: admitted.name, by, at }];
        }),
      },
      wall: wall(),
      runners: runner.runners().map(({ pid, groups, confinement }) => ({
        pid,
        groups: [...groups],
        confinement,
      })),
      audit: { ...auditHead(), problem: toFailure(audit.problem()) },
      registry: registry.status(),
    }),
    explain(pack) {
      const found = packs.inspect(pack);
      if (found === null) throw new SondeError("NOT_FOUND", `expected a pack here, got ${pack}`);
      const runners = runner.runners();
      const host = {
        ceiling: agent.ceiling,
        hubMayGrant: agent.hubMayGrant,
        revoked: found.revoked,
        hasRunner: (groups: readonly string[]) => runner.serves(groups),
        approvalGivesRunner: agent.runnerSockets !== undefined,
      };
      const users = [...new Set(runners.map(({ uid }) => `uid ${uid}`))].join(" or ");
      const explained = explainPack(found.version, found.grant, host, users || "no runner yet");
      if (explained !== null) return explained;
      const { reason, state } = found.version;
      throw new SondeError(
        reason?.code ?? "NOT_FOUND",
        reason?.message ?? `expected ${pack} to be verified, it is ${state}`,
      );
    },
  };
}

function toFailure(why: SondeError | null): Failure | null {
  return why && { code: why.code, message: why.message };
}

/** The event of a connection: what this agent was when the hub took its word. */
export function describeConnection(
  hello: HelloBody,
  hubVersion: string,
  protocol: number,
): AgentEvent {
  const { binarySha256, configSha256, maxCapability, wall } = hello;
  const packs = hello.packs.map(({ name, version, digest, state }) => ({
    ...{ name, version, digest, state },
  }));
  const detail = {
    ...{ hubVersion, protocol, binarySha256, configSha256, maxCapability, wall, packs },
  };
  return { event: "agent.connected", status: "info", code: null, detail };
}

/** True when the reads run as another user than the agent. Judged by the connected runners. */
function isWalled({ runner, uid, sameUid }: DescribedAgent): boolean {
  const runners = runner.runners();
  return runners.length === 0 ? !sameUid : runners.every((process) => process.uid !== uid);
}
