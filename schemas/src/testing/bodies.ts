import type {
  AgentStatement,
  HelloBody,
  ProcessRights,
  ResultBody,
  StatedProcess,
} from "../wire/index.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const EMPTY_LOG = { size: 0, hash: `sha256:${"0".repeat(64)}` };

/** The hello of an agent without packs, in the form of release 0.1.0. */
export function buildHello(change: Partial<HelloBody> = {}): HelloBody {
  return {
    name: "web-1",
    agentVersion: "0.1.0",
    bootId: "b",
    os: "o",
    kernel: "k",
    arch: "x64",
    binarySha256: DIGEST,
    configSha256: DIGEST,
    maxCapability: "observe",
    wall: "same-uid",
    packs: [],
    auditHead: EMPTY_LOG,
    registryHead: null,
    ...change,
  };
}

/** The result of a successful call that found nothing. */
export function buildResult(callId: string, change: Partial<ResultBody> = {}): ResultBody {
  return {
    callId,
    status: "ok",
    data: {},
    truncated: false,
    redactions: { count: 0, rules: {} },
    collectedAt: "2026-01-01T00:00:00.000Z",
    reads: [],
    timings: { checks: 0, reads: 0, scrub: 0, guest: 0, audit: 0, total: 0 },
    auditHead: EMPTY_LOG,
    ...change,
  };
}

/** The rights of a process that has none. */
export function buildRights(change: Partial<ProcessRights> = {}): ProcessRights {
  const none = "0000000000000000";
  return {
    ...{ uids: [7, 7, 7, 7], gids: [7, 7, 7, 7], groups: [], noNewPrivs: true, seccomp: 2 },
    capabilities: {
      ...{ inheritable: none, permitted: none, effective: none, bounding: none, ambient: none },
    },
    ...change,
  };
}

export function buildProcess(role: string, change: Partial<ProcessRights> = {}): StatedProcess {
  return { role, groupNames: [], rights: buildRights(change) };
}

/** The statement of an agent without packs. */
export function buildStatement(change: Partial<AgentStatement> = {}): AgentStatement {
  return {
    ...{ name: "web-1", agentVersion: "0.1.0", bootId: "b", os: "o", kernel: "k", arch: "x64" },
    ...{ lsm: "none", secureBoot: "none", tpm: "none", runtimeVersion: "v24.0.0" },
    ...{ maxCapability: "observe", programSha256: DIGEST, configSha256: DIGEST },
    files: [
      { kind: "program", path: "/usr/lib/sonde-agent/agent.js", sha256: DIGEST },
      { kind: "runtime", path: "/usr/lib/sonde-agent/node", sha256: DIGEST },
      { kind: "configuration", path: "/etc/sonde-agent/agent.json", sha256: DIGEST },
      { kind: "trust", path: "/etc/sonde-agent/trust.json", sha256: DIGEST },
    ],
    grants: [],
    packs: [],
    processes: [buildProcess("agent"), buildProcess("runner", { uids: [8, 8, 8, 8] })],
    ...change,
  };
}
