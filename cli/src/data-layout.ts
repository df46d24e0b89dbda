import { homedir } from "node:os";
import { join, resolve } from "node:path";

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
  /** Optional Sigstore root against which the registry verifies keyless signatures. */
  trustedRoot: string;
  /** Trusted root that an import brought. Nothing reads it until a person pins it. */
  importedTrustedRoot: string;
  operatorKey: string;
  /** The registry's operator socket. Only the registry's user and root can open it. */
  registrySocket: string;
  agentSocket: string;
  /** Result of the last start, read by the other commands. */
  endpoints: string;
};

export function layoutOf(root: string): DataLayout {
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
    trustedRoot: at("config", "trusted-root.json"),
    importedTrustedRoot: at("config", "imported-trusted-root.json"),
    operatorKey: at("hub", "operator-key"),
    registrySocket: at("registry", "run", "operator.sock"),
    agentSocket: at("agent", "run", "agent.sock"),
    endpoints: at("config", "endpoints.json"),
  };
}

/** `--data` if given; else /var/lib/sonde for root, and a folder in the home for other users. */
export function resolveDataFolder(given: string | undefined, env: NodeJS.ProcessEnv): string {
  if (given !== undefined) return resolve(given);
  if (process.getuid?.() === 0) return "/var/lib/sonde";
  return join(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "sonde");
}
