import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Database, openDatabase } from "@sonde/database";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import {
  type Running,
  type ServicePorts,
  listenOnPort,
  makeDataFolder,
  readConfiguredJson,
  readConfiguredText,
  readKeptPorts,
  requireSafeListener,
  runService,
  writePrivateFile,
} from "@sonde/service";
import { type AgentListeners, installAgents } from "./agents/index.ts";
import { addAuditRoutes, createAuditStore, openAudit } from "./audit/index.ts";
import { installCalls } from "./calls/index.ts";
import { installCatalog } from "./catalog/index.ts";
import { type HubConfig, parseHubConfig } from "./config.ts";
import { openDirectory } from "./directory/index.ts";
import type { Hub } from "./hub.ts";
import {
  createAuthenticator,
  createKeyStore,
  ensureOperatorKey,
  installIdentity,
} from "./identity/index.ts";
import { type HubKeys, openHubKeys } from "./keys/open-hub-keys.ts";
import { openLinks } from "./links/index.ts";
import { installMcp } from "./mcp/index.ts";
import { migrations } from "./migrations.ts";
import { installRegistryLog } from "./registry-log/index.ts";
import { createApiServer } from "./web/edge/api-server.ts";

const MAX_DATABASE_CONNECTIONS = 8;

async function start(config: HubConfig, ports: ServicePorts): Promise<Running> {
  requireSafeListener(config.http);
  makeDataFolder(config.dataDir);
  const keysDir = config.keysDir ?? join(config.dataDir, "keys");
  const keys = await openHubKeys(keysDir, config.agents.names, ports.now);
  // Read again for each archive, so that the administrator's change takes effect without a restart.
  const readPolicy = () =>
    parseTrustPolicy(readConfiguredJson(config.trustPolicyPath, "trust policy"));
  readPolicy();
  const database = await openDatabase({
    dataDir: config.dataDir,
    // Nothing may be served without the audit log. The supervisor restarts hub and database.
    onLost: ports.endFor,
    schema: "hub",
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    migrations,
    maxConnections: MAX_DATABASE_CONNECTIONS,
  });
  try {
    return await serve(config, { ...ports, keys, readPolicy, database });
  } catch (thrown) {
    // A hub that cannot serve, for example on a port in use, stops its database.
    await database.close();
    throw thrown;
  }
}

type Opened = ServicePorts & {
  keys: HubKeys;
  readPolicy: () => TrustPolicy;
  database: Database;
};

type Ending = () => Promise<void> | void;

async function serve(config: HubConfig, opened: Opened): Promise<Running> {
  const { keys, readPolicy, database, report, now } = opened;
  const { sql } = database;
  const self = readHubName(config.dataDir);
  const auditStore = createAuditStore(sql, self);
  const auditLog = await openAudit(auditStore, now);
  const directory = await openDirectory(sql, report);
  const links = await openLinks({
    ...{ sql, directory, self, now, report },
    onReplaced: opened.endFor,
  });
  const apiKeys = createKeyStore(sql, directory);
  await ensureOperatorKey(config.dataDir, apiKeys, auditLog, now);
  const authenticator = createAuthenticator({ keys: apiKeys, auditLog, now, report });
  const app = createApiServer({
    ...(config.http.tls !== undefined && { tls: readTls(config.http.tls) }),
    behindProxy: config.http.behindProxy,
    publicHosts: config.http.publicHosts,
    authenticator,
    auditLog,
    now,
    report,
  });
  const endings: Ending[] = [];
  const addresses = { enrol: "", control: "" };
  const hub: Hub = {
    ...{ config, keys, sql, app, directory, links, auditLog, now, report, addresses },
    elapsed: () => performance.now(),
    onStop: (work) => void endings.unshift(work),
  };
  hub.onStop(() => database.close());
  hub.onStop(() => directory.close());
  hub.onStop(() => auditLog.flush());
  hub.onStop(() => app.close());

  // The hub's features, each with the features that it uses.
  addAuditRoutes(hub, auditStore);
  const registry = installRegistryLog(hub, { readPolicy });
  const { catalog, packs } = installCatalog(hub, { registry, readPolicy });
  const calls = installCalls(hub, { catalog, auditStore });
  const mcp = installMcp(hub, { calls, catalog });
  installIdentity(hub, { keys: apiKeys, authenticator, dismiss: (id) => mcp.dismiss(id) });
  const listeners = installAgents(hub, { packs, registry });

  // Stop order: accept no agent, then end the open calls, so that each client gets an answer.
  hub.onStop(() => links.close());
  hub.onStop(() => void listeners.control.close());

  const ports = await listen(config, hub, listeners);
  return {
    ready: { hubId: keys.hubId, ...ports },
    stop: () => stopAll(endings),
  };
}

/** Runs every ending, also after a failure of an earlier one, and then throws the first failure. */
async function stopAll(endings: readonly Ending[]): Promise<void> {
  const failures: unknown[] = [];
  for (const end of endings) {
    try {
      await end();
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
}

type PortNumbers = { enrol: number; control: number; http: number };

async function listen(
  config: HubConfig,
  { app, addresses }: Hub,
  { enrol, control }: AgentListeners,
): Promise<PortNumbers> {
  const file = join(config.dataDir, "ports.json");
  const kept = readKeptPorts(file, ["enrol", "control", "http"]);
  const { host, enrolPort, controlPort, names } = config.agents;
  const publicName = names[0] ?? host;
  const ports = { ...kept };
  const keep = (): void => writePrivateFile(file, JSON.stringify(ports));
  ports.control = await listenOnPort(control, {
    host,
    port: controlPort,
    kept: kept.control,
    // Enrolled agents connect to this port only, so it must not change.
    isKnown: kept.control !== 0,
  });
  addresses.control = `${publicName}:${ports.control}`;
  // Kept before anybody enrols: an enrolled agent stores the control address.
  keep();
  ports.enrol = await listenOnPort(enrol, { host, port: enrolPort, kept: kept.enrol });
  addresses.enrol = `${publicName}:${ports.enrol}`;
  ports.http = await listenOnPort(app, {
    host: config.http.host,
    port: config.http.port,
    kept: kept.http,
  });
  keep();
  return ports;
}

/**
 * Returns this hub's name among the hubs of one database. It is created at the first start and
 * kept, so that a restarted hub is the same hub.
 */
function readHubName(dataDir: string): string {
  const file = join(dataDir, "hub-name");
  if (!existsSync(file)) writePrivateFile(file, randomUUID());
  return readFileSync(file, "utf8").trim();
}

function readTls(files: { certificatePath: string; privateKeyPath: string }) {
  return {
    certificate: readConfiguredText(files.certificatePath, "certificate"),
    privateKey: readConfiguredText(files.privateKeyPath, "private key"),
    minVersion: "TLSv1.2",
  } as const;
}

runService({ what: "hub configuration", parseConfig: parseHubConfig, start });
