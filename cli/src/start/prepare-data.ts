import { randomUUID } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "../data-layout.ts";
import type { Account, Accounts } from "./system-users.ts";
import type { Runtime } from "./install-runtime.ts";
import { writeAtomically } from "../write-atomically.ts";

/**
 * Creates every folder with its owner and mode. What a service must not change (its configuration,
 * trust, grants) stays with the user that runs this.
 */
export function prepareFolders(layout: DataLayout, accounts: Accounts): void {
  const own = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
  const make = (path: string, mode: number, owner: Pick<Account, "uid" | "gid"> = own) => {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
    if (accounts.separate) chownSync(path, owner.uid, owner.gid);
  };
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
    make(layout.runnerSockets, 0o710, { uid: accounts.agent.uid, gid: accounts.runner.gid });
    if (accounts.separate) make(layout.runtime, 0o755);
  } catch (cause) {
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
export function requireShortSockets(layout: DataLayout): void {
  for (const path of [layout.agentSocket, join(layout.runnerSockets, "runner.sock")]) {
    if (Buffer.byteLength(path) > 107) {
      throw new SondeError(
        "RIGHT_MISSING",
        `the data folder's path is too long for a socket: ${path}`,
      );
    }
  }
}

export type Ports = { http: number; registry: number; enrol: number; control: number };

/** `--port N` uses N to N+3. With 0, each service chooses a free port and keeps it. */
export function choosePorts(base: number): Ports {
  if (base === 0) return { http: 0, registry: 0, enrol: 0, control: 0 };
  return { http: base, registry: base + 1, enrol: base + 2, control: base + 3 };
}

export type ServiceConfigs = { hub: string; registry: string; agent: string; runner: string };

/**
 * Writes each service's configuration. Only that service's group can read it, because a database's
 * address may hold a password.
 */
export function writeConfigs(
  layout: DataLayout,
  accounts: Accounts,
  runtime: Runtime,
  ports: Ports,
  env: NodeJS.ProcessEnv,
): ServiceConfigs {
  const write = (name: keyof ServiceConfigs, content: object) => {
    const path = join(layout.config, `${name}.json`);
    // Created unreadable and renamed once its group is set. Until then the old file stays in place.
    writeAtomically(path, `${JSON.stringify(content, null, 2)}\n`, 0o600, (file) => {
      if (!accounts.separate) return;
      chownSync(file, 0, accounts[name].gid);
      chmodSync(file, 0o640);
    });
    return path;
  };
  const admitPath = join(runtime.folder, "admit.js");
  const runnerSocketPath = join(layout.runnerSockets, "runner.sock");
  const databaseUrl = env["DATABASE_URL"];
  return {
    hub: write("hub", {
      dataDir: layout.hub,
      ...(databaseUrl !== undefined && { databaseUrl }),
      http: { host: "127.0.0.1", port: ports.http, behindProxy: false, publicHosts: [] },
      agents: {
        host: "127.0.0.1",
        enrolPort: ports.enrol,
        controlPort: ports.control,
        names: ["localhost", "127.0.0.1"],
      },
      trustPolicyPath: layout.trustPolicy,
      admitPath,
      callTimeoutMs: 40_000,
      supervised: true,
    }),
    registry: write("registry", {
      dataDir: layout.registry,
      ...(databaseUrl !== undefined && { databaseUrl }),
      http: { host: "127.0.0.1", port: ports.registry, behindProxy: false },
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
      runnerSocketPath,
      maxCapability: "observe",
      sameUid: !accounts.separate,
      supervised: true,
    }),
    runner: write("runner", {
      socketPath: runnerSocketPath,
      packHostPath: join(runtime.folder, "pack-host.js"),
      denyPaths: [layout.root],
      heartbeat: true,
    }),
  };
}

/** This machine's agent name: the host name as far as it fits. It is kept once chosen. */
export function chooseAgentName(layout: DataLayout): string {
  const file = join(layout.config, "agent-name");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const name = fitAgentName(hostname()) ?? `host-${randomUUID().slice(0, 8)}`;
  writeAtomically(file, `${name}\n`);
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
