import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Database, openDatabase } from "@sonde/database";
import { toSondeError } from "@sonde/schemas/errors";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import {
  type Report,
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
import { followRegistry } from "@sonde/trust/admit";
import { type HubConfig, parseHubConfig } from "./config.ts";
import { type AuditLog, openAuditLog } from "./core/audit-log.ts";
import { buildAuditRecord } from "./core/audit-record.ts";
import type { CallPorts } from "./core/call-probe.ts";
import { createFleet } from "./core/fleet.ts";
import { RECENT_MS, RegistryFollower } from "./core/registry-follower.ts";
import { HUB_VERSION } from "./core/hub-version.ts";
import { createControlListener } from "./edge/control/control-listener.ts";
import { createEnrolListener } from "./edge/control/enrol-listener.ts";
import { type HubKeys, openHubKeys } from "./edge/hub-keys.ts";
import { addAccountRoutes } from "./edge/http/account-routes.ts";
import { createAuthenticator } from "./edge/http/authenticate.ts";
import { addFleetRoutes } from "./edge/http/fleet-routes.ts";
import { createApiServer } from "./edge/http/api-server.ts";
import { addMcpEndpoint } from "./edge/mcp/mcp-endpoint.ts";
import { createRegistryLogStore } from "./edge/store/registry-log-store.ts";
import { obtainPack } from "./edge/obtain-pack.ts";
import { type AuditStore, createAuditStore } from "./edge/store/audit-store.ts";
import { createHubStore, type HubStore } from "./edge/store/hub-store.ts";
import { migrations } from "./edge/store/migrations.ts";

const MAX_DATABASE_CONNECTIONS = 8;
/** How often the registry's log is looked at without another reason. */
const FOLLOW_EVERY_MS = 60_000;

async function start(config: HubConfig, ports: ServicePorts): Promise<Running> {
  requireSafeListener(config.http);
  makeDataFolder(config.dataDir);
  const keys = await openHubKeys(config.dataDir, config.agents.names, ports.now);
  // Read anew for each archive: what the administrator changes counts from then on.
  const readPolicy = () =>
    parseTrustPolicy(readConfiguredJson(config.trustPolicyPath, "trust policy"));
  readPolicy();
  const database = await openDatabase({
    dataDir: config.dataDir,
    // Nothing is served without the audit log; the supervisor starts hub and database anew.
    onLost: ports.endFor,
    schema: "hub",
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    migrations,
    maxConnections: MAX_DATABASE_CONNECTIONS,
  });
  try {
    return await serve(config, { ...ports, keys, readPolicy, database });
  } catch (thrown) {
    // A hub that cannot serve, its port being taken, leaves no database running.
    await database.close();
    throw thrown;
  }
}

type Opened = ServicePorts & {
  keys: HubKeys;
  readPolicy: () => TrustPolicy;
  database: Database;
};

async function serve(config: HubConfig, opened: Opened): Promise<Running> {
  const { keys, readPolicy, database, report, now } = opened;
  const store = createHubStore(database.sql);
  const auditStore = createAuditStore(database.sql);
  const auditLog = await openAuditLog(auditStore);
  await closeOpenRequests(auditLog, auditStore, now);
  await ensureOperatorKey(config.dataDir, store, auditLog, now);

  const fleet = createFleet(await store.loadFleet(), () => mcp.announceChanges());
  const authenticator = createAuthenticator({ store, auditLog, now, report });
  const app = createApiServer({
    ...(config.http.tls !== undefined && { tls: readTls(config.http.tls) }),
    behindProxy: config.http.behindProxy,
    publicHosts: config.http.publicHosts,
    authenticator,
    auditLog,
    now,
    report,
  });
  const callPorts: CallPorts = {
    fleet,
    auditLog,
    now,
    elapsed: () => performance.now(),
    newCallId: randomUUID,
    report,
    timeoutMs: config.callTimeoutMs,
  };
  const mcp = addMcpEndpoint(app, callPorts, HUB_VERSION);
  const registry = new RegistryFollower({
    readPolicy,
    follow: (request, onEntry) => followRegistry(config.admitPath, request, onEntry),
    store: createRegistryLogStore(database.sql),
    auditLog,
    now,
    elapsed: () => performance.now(),
    // Said again, so that agents look at the log too.
    onNews(packs) {
      for (const { desired, link } of fleet.list()) {
        if (desired.packs.some(({ name }) => packs.has(name))) link?.sendDesiredState(desired);
      }
    },
  });
  const stopFollowing = followRegularly(registry, report);
  const ports = { enrol: 0, control: 0, http: 0 };
  const publicName = config.agents.names[0] ?? config.agents.host;
  addFleetRoutes(app, {
    fleet,
    store,
    auditLog,
    now,
    caFingerprint: keys.fingerprint,
    enrolAddress: () => `${publicName}:${ports.enrol}`,
    registry: () => registry.status(),
    obtainPack: async (name, wanted, agentVersion) => {
      const storeDir = join(config.dataDir, "packs");
      const admitPath = config.admitPath;
      const policy = readPolicy();
      const options = { policy, registry, admitPath, storeDir, store, now };
      const pack = await obtainPack(options, name, wanted, agentVersion);
      fleet.addPack(pack);
      return pack;
    },
  });
  addAccountRoutes(app, {
    fleet,
    store,
    auditStore,
    auditLog,
    now,
    onKeyRevoked(keyId) {
      authenticator.forget(keyId);
      return mcp.dismiss(`key:${keyId}`);
    },
  });

  const tls = { ...keys.server, authority: keys.authority };
  const enrol = createEnrolListener({
    hubId: keys.hubId,
    tls,
    openAuthority: keys.openAuthority,
    controlAddress: () => `${publicName}:${ports.control}`,
    hubKey: keys.publicKey,
    registryHead: () => registry.report(),
    store,
    fleet,
    auditLog,
    now,
    report,
  });
  const control = createControlListener({
    hubId: keys.hubId,
    tls,
    signer: keys.signer,
    onRegistryHead: (agent, head) => registry.compare(agent, head),
    openAuthority: keys.openAuthority,
    store,
    fleet,
    auditLog,
    now,
    report,
  });

  const portsFile = join(config.dataDir, "ports.json");
  const kept = readKeptPorts(portsFile, ["enrol", "control", "http"]);
  const { host, enrolPort, controlPort } = config.agents;
  ports.enrol = await listenOnPort(enrol, { host, port: enrolPort, kept: kept.enrol });
  ports.control = await listenOnPort(control, {
    host,
    port: controlPort,
    kept: kept.control,
    // Enrolled agents look for the hub there and nowhere else.
    isKnown: kept.control !== 0,
  });
  ports.http = await listenOnPort(app, {
    host: config.http.host,
    port: config.http.port,
    kept: kept.http,
  });
  writePrivateFile(portsFile, JSON.stringify(ports));

  return {
    ready: { hubId: keys.hubId, ...ports },
    async stop() {
      authenticator.close();
      stopFollowing();
      for (const agent of fleet.list()) agent.link?.close("the hub is stopping");
      control.close();
      await mcp.close();
      await Promise.all([app.close(), enrol.close()]);
      await auditLog.flush();
      await database.close();
    },
  };
}

/** What is wrong stands in the follower's status and, for an alarm, in the audit log. */
function followRegularly(registry: RegistryFollower, report: Report): () => void {
  const follow = () => {
    registry.follow(RECENT_MS).catch((thrown: unknown) => {
      const error = toSondeError(thrown);
      // A registry that is down is no defect of the hub.
      if (error.code !== "REGISTRY_UNAVAILABLE") report(error);
    });
  };
  follow();
  const timer = setInterval(follow, FOLLOW_EVERY_MS);
  return () => clearInterval(timer);
}

/** Calls that a crash cut off: their outcome is not known, and the log says so. */
async function closeOpenRequests(
  auditLog: AuditLog,
  auditStore: AuditStore,
  now: () => Date,
): Promise<void> {
  for (const request of await auditStore.readOpenRequests()) {
    const { callId, principal, agent, probe, packDigest } = request;
    const known = { callId, principal, agent, probe, packDigest };
    await auditLog.append(
      buildAuditRecord(now(), "call.unknown", {
        ...known,
        status: "failure",
        code: "CALL_OUTCOME_UNKNOWN",
      }),
    );
  }
}

/** The first key, in a file only the hub's user (and root) can read. */
async function ensureOperatorKey(
  dataDir: string,
  store: HubStore,
  auditLog: AuditLog,
  now: () => Date,
): Promise<void> {
  if ((await store.countKeys()) > 0) return;
  const id = randomUUID();
  const secret = `${API_KEY_PREFIX}${randomBytes(32).toString("base64url")}`;
  const at = now();
  writePrivateFile(join(dataDir, "operator-key"), `${secret}\n`);
  await auditLog.append(buildAuditRecord(at, "key.created", { detail: { id, name: "operator" } }));
  const policy = { role: "operator", agents: "*", probes: "*" } as const;
  await store.addKey({ id, name: "operator", secret, policy, at });
}

function readTls(files: { certificatePath: string; privateKeyPath: string }) {
  return {
    certificate: readConfiguredText(files.certificatePath, "certificate"),
    privateKey: readConfiguredText(files.privateKeyPath, "private key"),
    minVersion: "TLSv1.2",
  } as const;
}

runService({ what: "hub configuration", parseConfig: parseHubConfig, start });
