import { type AgentStatus, type PackExplanation } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { type Capability, type PackName } from "@sonde/schemas/names";
import { RELEASE } from "@sonde/schemas/release";
import { type HelloBody, type PackReportBody } from "@sonde/schemas/wire";
import type { AuditLog } from "./audit-log.ts";
import { explainPack } from "./pack-report.ts";
import type { Packs } from "./packs.ts";
import type { RegistryView } from "./registry-view.ts";
import type { RunnerPort } from "./runner-port.ts";

/** Facts about the machine and the program, read once at start. */
export type HostStatement = Pick<
  HelloBody,
  "bootId" | "os" | "kernel" | "arch" | "binarySha256" | "configSha256"
>;

export type DescribedAgent = {
  name: string;
  hubId: string;
  agentId: string;
  maxCapability: Capability;
  /** The agent's own user id. */
  uid: number;
  /** The configured set-up; used while no runner is connected to show the real one. */
  sameUid: boolean;
  host: HostStatement;
  packs: Packs;
  runner: RunnerPort;
  audit: AuditLog;
  registry: RegistryView;
};

/** Builds what the agent states about itself to its hub and to administrators on its host. */
export function describeAgent(agent: DescribedAgent): {
  hello: () => HelloBody;
  packReport: () => PackReportBody;
  status: (connectedSince: number | null) => AgentStatus;
  explain: (name: PackName) => PackExplanation;
} {
  const { name, hubId, agentId, maxCapability, packs, runner, audit, registry } = agent;
  const wall = () => (isWalled(agent) ? "separate-user" : "same-uid");
  const auditHead = () => audit.head();
  return {
    hello: () => ({
      name,
      agentVersion: RELEASE,
      ...agent.host,
      maxCapability,
      wall: wall(),
      packs: packs.reports(),
      auditHead: auditHead(),
      registryHead: registry.report(),
    }),
    packReport: () => ({
      packs: packs.reports(),
      auditHead: auditHead(),
      registryHead: registry.report(),
    }),
    status: (connectedSince) => ({
      name,
      agentId,
      hubId,
      connected: connectedSince !== null,
      connectedSince: connectedSince === null ? null : new Date(connectedSince).toISOString(),
      maxCapability,
      wall: wall(),
      runners: runner.runners().map(({ pid, groups, confinement }) => ({
        pid,
        groups: [...groups],
        confinement,
      })),
      audit: auditHead(),
      registry: registry.status(),
    }),
    explain(pack) {
      const found = packs.inspect(pack);
      if (found === null) throw new SondeError("NOT_FOUND", `expected a pack here, got ${pack}`);
      const runners = runner.runners();
      const host = { hasRunner: (groups: readonly string[]) => runner.serves(groups) };
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

/** True when the reads run as another user than the agent. Judged by the connected runners. */
function isWalled({ runner, uid, sameUid }: DescribedAgent): boolean {
  const runners = runner.runners();
  return runners.length === 0 ? !sameUid : runners.every((process) => process.uid !== uid);
}
