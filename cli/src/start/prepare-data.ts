import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { DEFAULT_HUB_MAY_GRANT } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { KeyAlgorithm } from "@sonde/schemas/wire";
import type { DataLayout } from "../data-layout.ts";
import { readOwn } from "../read-back.ts";
import type { Accounts } from "./system-users.ts";
import { temporaryPath } from "./listening-socket.ts";
import { makeFolder, presentOwner } from "./make-folder.ts";
import { type RunnerGroups, runnerSocket } from "./runner-groups.ts";
import { publicBindAddress, toUrlHost } from "./public-names.ts";
import type { Runtime } from "./install-runtime.ts";
import { replaceFile } from "@sonde/files";

/**
 * Creates every folder with its owner and mode. What a service must not change (its configuration,
 * trust, grants) stays with the user that runs this.
 */
export function prepareFolders(layout: DataLayout, accounts: Accounts): void {
  const own = presentOwner();
  const make = (path: string, mode: number, owner = own) => makeFolder(path, mode, owner);
  try {
    make(layout.root, 0o755);
    make(layout.config, 0o755);
    make(layout.grants, 0o755);
    make(layout.publishers, 0o700);
    make(layout.logs, 0o700);
    make(layout.hub, 0o700, accounts.hub);
    make(layout.registry, 0o700, accounts.registry);
    // The runner reads verified packs below this folder. Nothing else in it is readable to others.
    make(layout.agent, 0o711, accounts.agent);
    // Only root makes sockets here, and only the agent can reach them.
    make(layout.runnerSockets, 0o710, { uid: own.uid, gid: accounts.agent.gid });
    if (accounts.separate) make(layout.runtime, 0o755);
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError("RIGHT_MISSING", `cannot prepare the data folder ${layout.root}`, {
      cause,
    });
  }
  if (accounts.separate) requireReachable(layout.root);
}

/** Refuses a data folder below one that service users cannot enter, such as /root. */
function requireReachable(path: string): void {
  for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) {
      throw new SondeError(
        "RIGHT_MISSING",
        `expected a data folder that the service users can enter, but ${folder} is closed to them; choose another with --data`,
      );
    }
  }
}

/** A unix socket's path holds at most 107 bytes (unix(7)). */
export function requireShortSockets(layout: DataLayout, runners: readonly RunnerGroups[]): void {
  const sockets = runners.map(({ name }) => temporaryPath(runnerSocket(layout, name)));
  for (const path of [layout.agentSocket, ...sockets]) {
    if (Buffer.byteLength(path) > 107) {
      throw new SondeError(
        "RIGHT_MISSING",
        `the data folder's path is too long for a socket: ${path}`,
      );
    }
  }
}

/** `publicHttp` and `publicRegistry` are for other machines. */
export type Ports = Record<
  "http" | "registry" | "enrol" | "control" | "publicHttp" | "publicRegistry",
  number
>;

/** `--port N` uses N to N+5. With 0, each service chooses a free port and keeps it. */
export function choosePorts(base: number): Ports {
  const portAt = (offset: number) => (base === 0 ? 0 : base + offset);
  return {
    ...{ http: portAt(0), registry: portAt(1), enrol: portAt(2), control: portAt(3) },
    ...{ publicHttp: portAt(4), publicRegistry: portAt(5) },
  };
}

export type ServiceConfigs = { hub: string; registry: string; agent: string; runner: string };

export type ServiceSettings = {
  ports: Ports;
  runners: readonly RunnerGroups[];
  publicNames: string[];
  keyAlgorithm: KeyAlgorithm;
};

/**
 * Writes each service's configuration. Only that service's group can read it, because a database's
 * address may hold a password.
 */
export function writeConfigs(
  layout: DataLayout,
  accounts: Accounts,
  runtime: Runtime,
  { ports, runners, publicNames, keyAlgorithm }: ServiceSettings,
  env: NodeJS.ProcessEnv,
): ServiceConfigs {
  const write = (name: keyof ServiceConfigs, content: object) => {
    const path = join(layout.config, `${name}.json`);
    const text = `${JSON.stringify(content, null, 2)}\n`;
    if (accounts.separate) replaceFile(path, text, 0o640, accounts[name].gid);
    else replaceFile(path, text, 0o600);
    return path;
  };
  const admitPath = join(runtime.folder, "admit.js");
  const databaseOf = (service: "HUB" | "REGISTRY"): { databaseUrl?: string } => {
    const databaseUrl = env[`${service}_DATABASE_URL`] ?? env["DATABASE_URL"];
    return databaseUrl === undefined ? {} : { databaseUrl };
  };
  const alsoReadOnly = readOwn(layout.alsoReadOnly);
  const scrub = readOwn(layout.scrub);
  const ownApprovals = readOwn(layout.approvals);
  const approvals =
    ownApprovals === null
      ? { hubMayGrant: DEFAULT_HUB_MAY_GRANT }
      : parseJson(ownApprovals, layout.approvals, "CONFIG_INVALID");
  const isPublic = publicNames.length > 0;
  const host = publicBindAddress(publicNames);
  return {
    hub: write("hub", {
      dataDir: layout.hub,
      keyAlgorithm,
      ...databaseOf("HUB"),
      http: {
        ...{ host: "127.0.0.1", port: ports.http, behindProxy: false },
        publicHosts: publicNames.map(toUrlHost),
        ...(isPublic && { public: { host, port: ports.publicHttp } }),
      },
      agents: {
        host: isPublic ? host : "127.0.0.1",
        enrolPort: ports.enrol,
        controlPort: ports.control,
        names: [...publicNames, "localhost", "127.0.0.1"],
      },
      trustPolicyPath: layout.trustPolicy,
      admitPath,
      callTimeoutMs: 40_000,
      supervised: true,
    }),
    registry: write("registry", {
      dataDir: layout.registry,
      ...databaseOf("REGISTRY"),
      http: {
        ...{ host: "127.0.0.1", port: ports.registry, behindProxy: false },
        ...(isPublic && { public: { host, port: ports.publicRegistry, names: publicNames } }),
      },
      admitPath,
      maxCapability: "observe",
      ...(existsSync(layout.trustedRoot) && { trustedRootFile: layout.trustedRoot }),
      supervised: true,
    }),
    agent: write("agent", {
      stateDir: layout.agent,
      grantsDir: layout.grants,
      trustPolicyPath: layout.trustPolicy,
      admitPath,
      runners: runners.map(({ name, groups }) => ({
        socketPath: runnerSocket(layout, name),
        groups,
      })),
      maxCapability: "observe",
      ...(alsoReadOnly !== null && {
        alsoReadOnly: parseJson(alsoReadOnly, layout.alsoReadOnly, "CONFIG_INVALID"),
      }),
      approvals,
      ...(scrub !== null && { scrub: parseJson(scrub, layout.scrub, "CONFIG_INVALID") }),
      sameUid: !accounts.separate,
      supervised: true,
    }),
    runner: write("runner", {
      packHostPath: join(runtime.folder, "pack-host.js"),
      denyPaths: [layout.root],
      grantsDir: layout.grants,
      approvals,
      sameUid: !accounts.separate,
      supervised: true,
      heartbeat: true,
    }),
  };
}

/** This machine's agent name: the host name as far as it fits. It is kept once chosen. */
export function chooseAgentName(layout: DataLayout): string {
  const file = join(layout.config, "agent-name");
  const kept = readOwn(file);
  if (kept !== null) return kept.trim();
  const name = fitAgentName(hostname()) ?? `host-${randomUUID().slice(0, 8)}`;
  replaceFile(file, `${name}\n`);
  return name;
}

/**
 * The host name with characters that an agent's name may not have replaced; null when nothing is
 * left.
 */
export function fitAgentName(host: string): string | null {
  const fitting = host
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 60)
    // Last, since the cut may leave a dot or a dash at the end.
    .replace(/[^a-z0-9]+$/, "");
  return fitting === "" ? null : fitting;
}
