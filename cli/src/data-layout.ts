import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { requireOwnPath } from "@sonde/files";

/**
 * Every path in a data folder. Each service owns its own folder and nothing else. Files that decide
 * about trust and grants belong to the administrator.
 */
export type DataLayout = {
  root: string;
  /** Root-owned copies of the programs, one folder per build. */
  runtime: string;
  /**
   * The administrator's files: configuration of each service, trust.json, grants, publisher keys.
   */
  config: string;
  grants: string;
  publishers: string;
  logs: string;
  hub: string;
  registry: string;
  agent: string;
  /** Holds the socket between agent and runners. It is the only folder that both may enter. */
  runnerSockets: string;
  trustPolicy: string;
  /** Copies that every user may read of whose certificates other machines see. */
  hubCa: string;
  registryCa: string;
  /** Optional list of further commands and requests that only look on this host. */
  alsoReadOnly: string;
  /** Optional: what the hub may grant on this host, as `approvals` of the agent's configuration. */
  approvals: string;
  /** Optional patterns of secrets that the operator of this host adds. */
  scrub: string;
  /** Optional Sigstore root against which the registry verifies keyless signatures. */
  trustedRoot: string;
  /** Trusted root that an import brought. Nothing reads it until a person pins it. */
  importedTrustedRoot: string;
  operatorKey: string;
  /** The key for clients that `npm start` shows. */
  clientKey: string;
  /** The registry's operator socket. Only the registry's user and root can open it. */
  registrySocket: string;
  agentSocket: string;
  /** The agent's audit log. */
  agentAudit: string;
  /** Result of the last start, read by the other commands. */
  endpoints: string;
  /** Held by the supervisor, and says who that is. */
  ownerLock: string;
  /** Which process each service is, written by root before it becomes the service. */
  services: string;
};

/**
 * The folder of an installed hub's administrator, which stands for all that the packages have put
 * on this machine; see scripts/package.
 */
export const INSTALLED = "/etc/sonde-hub";

/** @param root a data folder, or `INSTALLED` */
export function layoutOf(root: string): DataLayout {
  const layout = layoutOfDataFolder(root);
  return root === INSTALLED ? { ...layout, ...PACKAGED } : layout;
}

/** Where the packages' services keep what `npm start` keeps in a data folder. */
const PACKAGED = {
  config: INSTALLED,
  grants: "/etc/sonde-agent/grants",
  hub: "/var/lib/sonde-hub",
  registry: "/var/lib/sonde-registry",
  agent: "/var/lib/sonde-agent",
  trustPolicy: join(INSTALLED, "trust.json"),
  hubCa: join(INSTALLED, "hub-ca.pem"),
  registryCa: join(INSTALLED, "registry-ca.pem"),
  trustedRoot: join(INSTALLED, "trusted-root.json"),
  importedTrustedRoot: join(INSTALLED, "imported-trusted-root.json"),
  operatorKey: "/var/lib/sonde-hub/operator-key",
  registrySocket: "/var/lib/sonde-registry/run/operator.sock",
  agentSocket: "/var/lib/sonde-agent/run/agent.sock",
} satisfies Partial<DataLayout>;

function layoutOfDataFolder(root: string): DataLayout {
  const at = (...parts: string[]) => join(root, ...parts);
  return {
    root,
    runtime: at("runtime"),
    config: at("config"),
    grants: at("config", "grants"),
    publishers: at("config", "publishers"),
    logs: at("logs"),
    hub: at("hub"),
    registry: at("registry"),
    agent: at("agent"),
    runnerSockets: at("runner"),
    trustPolicy: at("config", "trust.json"),
    hubCa: at("config", "hub-ca.pem"),
    registryCa: at("config", "registry-ca.pem"),
    alsoReadOnly: at("config", "read-only.json"),
    approvals: at("config", "approvals.json"),
    scrub: at("config", "scrub.json"),
    trustedRoot: at("config", "trusted-root.json"),
    importedTrustedRoot: at("config", "imported-trusted-root.json"),
    operatorKey: at("hub", "operator-key"),
    clientKey: at("config", "client-key"),
    registrySocket: at("registry", "run", "operator.sock"),
    agentSocket: at("agent", "run", "agent.sock"),
    agentAudit: at("agent", "audit"),
    endpoints: at("config", "endpoints.json"),
    ownerLock: at("owner.lock"),
    services: at("services"),
  };
}

/**
 * `--data` if given; else SONDE_DATA, which an installed program sets; else /var/lib/sonde for root,
 * and a folder in the home for other users.
 *
 * @throws SondeError RIGHT_MISSING for root, when others can change that folder: what root reads
 *   there decides about trust, and what root writes there could go elsewhere
 */
export function resolveDataFolder(given: string | undefined, env: NodeJS.ProcessEnv): string {
  const folder = chooseDataFolder(given, env);
  requireOwnPath(folder);
  return folder;
}

function chooseDataFolder(given: string | undefined, env: NodeJS.ProcessEnv): string {
  const named = given ?? env["SONDE_DATA"];
  if (named !== undefined) return resolve(named);
  if (process.getuid?.() === 0) return "/var/lib/sonde";
  return join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "sonde");
}
