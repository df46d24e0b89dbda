import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { type Database, DatabaseError, openDatabase } from "@sonde/database";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
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
import { type HubKeys, openHubKeys, writePrivateFile } from "./edge/hub-keys.ts";
import { addAccountRoutes } from "./edge/http/account-routes.ts";
import { createAuthenticator } from "./edge/http/authenticate.ts";
import { addFleetRoutes } from "./edge/http/fleet-routes.ts";
import { createHttpServer, requireSafeListener } from "./edge/http/http-server.ts";
import { addMcpEndpoint } from "./edge/mcp/mcp-endpoint.ts";
import { createRegistryLogStore } from "./edge/store/registry-log-store.ts";
import { obtainPack } from "./edge/obtain-pack.ts";
import { type AuditStore, createAuditStore } from "./edge/store/audit-store.ts";
import { createHubStore, type HubStore } from "./edge/store/hub-store.ts";
import { migrations } from "./edge/store/migrations.ts";

const MAX_DATABASE_CONNECTIONS = 8;
/** How often the registry's log is looked at without another reason. */
const FOLLOW_EVERY_MS = 60_000;
const now = () => new Date();

/** One JSON line on standard error; never a key, a parameter or a result. */
function log(level: "info" | "error", message: string, fields: object = {}): void {
  process.stderr.write(
    `${JSON.stringify({ at: now().toISOString(), level, message, ...fields })}\n`,
  );
}

function report(error: Error): void {
  const { cause } = error;
  log("error", error.message, {
    stack: error.stack,
    ...(cause instanceof Error && { cause: cause.stack }),
  });
}

async function start(config: HubConfig): Promise<() => Promise<void>> {
  requireSafeListener(config.http);
  if (process.getuid?.() === 0) {
    throw new SondeError("PRIVILEGE_REFUSED", "expected an unprivileged user, got root");
  }
  mkdirSync(config.dataDir, { recursive: true, mode: 0o750 });
  const keys = await openHubKeys(config.dataDir, config.agents.names, now);
  // Read anew for each archive: what the administrator changes counts from then on.
  const readPolicy = () => parseTrustPolicy(readJson(config.trustPolicyPath, "trust policy"));
  readPolicy();
  const database = await openDatabase({
    dataDir: config.dataDir,
    onLost: endForLostDatabase,
    schema: "hub",
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    migrations,
    maxConnections: MAX_DATABASE_CONNECTIONS,
  });
  try {
    return await serve(config, { keys, readPolicy, database });
  } catch (thrown) {
    // A hub that cannot serve, its port being taken, leaves no database running.
    await database.close();
    throw thrown;
  }
}

type Opened = {
  keys: HubKeys;
  readPolicy: () => TrustPolicy;
  database: Database;
};

async function serve(config: HubConfig, opened: Opened): Promise<() => Promise<void>> {
  const { keys, readPolicy, database } = opened;
  const store = createHubStore(database.sql);
  const auditStore = createAuditStore(database.sql);
  const auditLog = await openAuditLog(auditStore);
  await closeOpenRequests(auditLog, auditStore);
  await ensureOperatorKey(config.dataDir, store, auditLog);

  const fleet = createFleet(await store.loadFleet(), () => mcp.announceChanges());
  const authenticator = createAuthenticator({ store, auditLog, now, report });
  const app = createHttpServer({
    ...(config.http.tls !== undefined && { tls: readTls(config.http.tls) }),
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
  const stopFollowing = followRegularly(registry);
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
  const kept = readKeptPorts(portsFile);
  await Promise.all([app.ready(), enrol.ready()]);
  ports.enrol = await listen(enrol.server, config.agents.host, config.agents.enrolPort, kept.enrol);
  ports.control = await listen(
    control,
    config.agents.host,
    config.agents.controlPort,
    kept.control,
    // Enrolled agents look for the hub there and nowhere else.
    kept.control !== 0,
  );
  ports.http = await listen(app.server, config.http.host, config.http.port, kept.http);
  writePrivateFile(portsFile, JSON.stringify(ports));
  process.stdout.write(
    `${JSON.stringify({ ready: true, pid: process.pid, hubId: keys.hubId, ...ports })}\n`,
  );

  return async () => {
    authenticator.close();
    stopFollowing();
    for (const agent of fleet.list()) agent.link?.close("the hub is stopping");
    control.close();
    await mcp.close();
    await Promise.all([app.close(), enrol.close()]);
    await auditLog.flush();
    await database.close();
  };
}

/** What is wrong stands in the follower's status and, for an alarm, in the audit log. */
function followRegularly(registry: RegistryFollower): () => void {
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

/** Nothing is served without the audit log; the supervisor starts hub and database anew. */
function endForLostDatabase(error: DatabaseError): void {
  report(new SondeError(error.code, error.message, { cause: error }));
  process.exit(1);
}

/** Calls that a crash cut off: their outcome is not known, and the log says so. */
async function closeOpenRequests(auditLog: AuditLog, auditStore: AuditStore): Promise<void> {
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

/**
 * Listens on the wanted port; 0 means the one used last time, or any free one.
 *
 * @param known whether others have written the kept port down: then no other will do
 */
async function listen(
  server: Server,
  host: string,
  wanted: number,
  kept: number,
  known = false,
): Promise<number> {
  const tryPort = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  const first = wanted === 0 ? kept : wanted;
  try {
    return await tryPort(first);
  } catch (thrown) {
    const inUse = thrown instanceof Error && "code" in thrown && thrown.code === "EADDRINUSE";
    if (inUse && wanted === 0 && !known) return tryPort(0);
    if (inUse) throw new SondeError("PORT_IN_USE", `port ${first} on ${host} is in use`);
    throw new SondeError("RIGHT_MISSING", `cannot listen on ${host}:${wanted}`, { cause: thrown });
  }
}

function readKeptPorts(file: string): { enrol: number; control: number; http: number } {
  const none = { enrol: 0, control: 0, http: 0 };
  if (!existsSync(file)) return none;
  return { ...none, ...(JSON.parse(readFileSync(file, "utf8")) as typeof none) };
}

function readTls(files: { certificatePath: string; privateKeyPath: string }) {
  return {
    certificate: readFileSync(files.certificatePath, "utf8"),
    privateKey: readFileSync(files.privateKeyPath, "utf8"),
  };
}

function readJson(path: string, what: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", `expected a ${what} at ${path}, cannot read it`, {
      cause,
    });
  }
  return parseJson(text, what, "CONFIG_INVALID");
}

async function main(): Promise<void> {
  const [configFile] = process.argv.slice(2);
  if (configFile === undefined) {
    throw new SondeError("CONFIG_INVALID", "expected a configuration file as the only argument");
  }
  const config = parseHubConfig(readJson(configFile, "hub configuration"));
  const stop = await start(config);
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (thrown: unknown) => {
        report(toSondeError(thrown));
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  if (config.supervised) process.stdin.resume().on("end", end).on("error", end);
}

main().catch((thrown: unknown) => {
  const error =
    thrown instanceof DatabaseError
      ? new SondeError(thrown.code, thrown.message, { cause: thrown })
      : toSondeError(thrown);
  report(error);
  process.stdout.write(`${JSON.stringify(error.toBody())}\n`);
  process.exit(1);
});
