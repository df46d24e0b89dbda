import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { Server } from "node:https";
import { join } from "node:path";
import { type Database, openDatabase } from "@sonde/database";
import type { Capability } from "@sonde/schemas/names";
import { DEFAULT_KEY_ALGORITHM, formatAddress } from "@sonde/schemas/wire";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import {
  type Report,
  type Running,
  type ServicePorts,
  type HttpServer,
  type ServerTls,
  createPublicListener,
  listenOnPort,
  makeDataFolder,
  readConfiguredJson,
  readKeptPorts,
  followTlsFiles,
  readTlsFiles,
  requireProxyAddresses,
  requireSafeListener,
  runService,
  writePrivateFile,
} from "@sonde/service";
import type { FastifyRequest } from "fastify";
import {
  type AgentListeners,
  findWitnesses,
  installAgents,
  readWitnesses,
} from "./agents/index.ts";
import { installApprovals } from "./approvals/index.ts";
import {
  addAuditRoutes,
  addCheckpointRoutes,
  createActors,
  createAuditStore,
  createLogReader,
  createOpenCalls,
  type OpenCalls,
  createSubjects,
  nameActors,
  openAudit,
  openCheckpoints,
} from "./audit/index.ts";
import { installRetention } from "./audit-retention/index.ts";
import { type AuditSinks, installSinks, requireSinks } from "./audit-sinks/index.ts";
import { installWitnesses, requireWitnesses } from "./audit-witnesses/index.ts";
import { installAttestation } from "./attestation/index.ts";
import { installCalls } from "./calls/index.ts";
import { installCatalog, readPackProof, watchPolicy } from "./catalog/index.ts";
import { installConsole } from "./console/index.ts";
import { type HubConfig, LIVE_SETTINGS, parseHubConfig } from "./config.ts";
import { openDirectory } from "./directory/index.ts";
import { countRequests, createMetrics, installHealth, watchRecords } from "./health/index.ts";
import { installEvidence } from "./evidence/index.ts";
import type { Hub, HubAddresses } from "./hub.ts";
import {
  createAuthenticator,
  createCallRates,
  createKeyStore,
  ensureOperatorKey,
  installIdentity,
} from "./identity/index.ts";
import { type HubKeys, openHubKeys } from "./keys/open-hub-keys.ts";
import { addSigningKeyRoutes } from "./keys/signing-key-routes.ts";
import { openLinks } from "./links/index.ts";
import { installMcp } from "./mcp/index.ts";
import { migrations } from "./migrations.ts";
import {
  challengeOf,
  installOAuth,
  openGrants,
  openGrantTokens,
  stepUpChallenge,
} from "./oauth/index.ts";
import { installPeople, openPeople, openSessions, type People } from "./people/index.ts";
import { installRest } from "./rest/index.ts";
import { installRegistryLog } from "./registry-log/index.ts";
import { openTracer } from "./traces/index.ts";
import { publicOrigin } from "./web/core/public-origin.ts";
import { authenticate, createApiServer } from "./web/edge/api-server.ts";

const MAX_DATABASE_CONNECTIONS = 8;
const NO_PROXIES: readonly string[] = [];

async function start(config: HubConfig, ports: ServicePorts): Promise<Running<HubConfig>> {
  const live = { config };
  makeDataFolder(config.dataDir);
  const keysDir = config.keysDir ?? join(config.dataDir, "keys");
  const keys = await openHubKeys({
    folder: keysDir,
    names: config.agents.names,
    keyAlgorithm: config.keyAlgorithm ?? DEFAULT_KEY_ALGORITHM,
    ...ports,
  });
  // Read again for each archive, so that the administrator's change takes effect without a restart.
  const readPolicy = () => readPolicyOf(live.config);
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
    return await serve(live, { ...ports, keys, readPolicy, database });
  } catch (thrown) {
    // A hub that cannot serve, for example on a port in use, stops its database.
    await database.close();
    throw thrown;
  }
}

function readPolicyOf({ trustPolicyPath }: HubConfig): TrustPolicy {
  return parseTrustPolicy(readConfiguredJson(trustPolicyPath, "trust policy"));
}

function requireSound(config: HubConfig): void {
  requireSafeListener(config.http);
  requireProxyAddresses(config.http.trustedProxies ?? []);
  requireSinks(config.auditSinks ?? []);
  requireWitnesses(config);
  readPolicyOf(config);
}

type Opened = ServicePorts & {
  keys: HubKeys;
  readPolicy: () => TrustPolicy;
  database: Database;
};

type Ending = () => Promise<void> | void;

/** @param live the configuration in force; what is read of it later, is read through it */
async function serve(live: { config: HubConfig }, opened: Opened): Promise<Running<HubConfig>> {
  const { config } = live;
  const { keys, readPolicy, database, report, now } = opened;
  const { sql } = database;
  const self = readHubName(config.dataDir);
  const auditStore = createAuditStore(sql, self);
  const tracer = openTracer({ config, hub: self, now, report });
  const metrics = createMetrics(now(), () => tracer?.counts() ?? null);
  const installed: { sinks?: AuditSinks; openCalls?: OpenCalls } = {};
  const actors = createActors();
  const plain = await openAudit(auditStore, (entry) => installed.openCalls?.closeUnsent(entry));
  const named = nameActors(plain, actors);
  const auditLog = watchRecords(named, (record) => {
    metrics.records.count(record);
    tracer?.watchRecord(record);
    installed.sinks?.wake();
  });
  const elapsed = () => performance.now();
  const checkpoints = await openCheckpoints({ sql, keys, now, elapsed, report });
  const directory = await openDirectory(sql, report);
  const links = await openLinks({
    ...{ sql, directory, self, now, report },
    onReplaced: opened.endFor,
  });
  const openCalls = createOpenCalls({
    ...{ store: auditStore, auditLog, now, self, report },
    running: () => links.hubs.running(),
  });
  await openCalls.closeOwn();
  installed.openCalls = openCalls;
  openCalls.closeLater();
  links.hubs.onGone(() => openCalls.closeLater());
  const apiKeys = createKeyStore(sql, directory);
  await ensureOperatorKey(config.dataDir, apiKeys, auditLog, now);
  const authenticator = createAuthenticator({
    ...{ keys: apiKeys, book: directory, auditLog, now, report },
  });
  const rates = createCallRates(sql);
  const sessions = openSessions({ sql, directory, auditLog, now, config });
  const findPerson = openPeople({ sql, directory });
  const addresses: HubAddresses = { web: "", enrol: "", enrolPort: 0, controlOf: () => "" };
  const tokens = openGrantTokens({ sql, directory, now, addresses }, findPerson, actors);
  const app = createApiServer({
    ...(config.http.tls !== undefined && { tls: readTlsFiles(config.http.tls) }),
    trustedProxies: () => live.config.http.trustedProxies ?? NO_PROXIES,
    publicHosts: () => live.config.http.publicHosts,
    authenticator,
    ...{ sessions, tokens },
    challenge: (request) => challengeOf(addresses.web, request),
    tagged: (name) => directory.tagged(name),
    auditLog,
    now,
    report,
  });
  countRequests(app, metrics);
  tracer?.watchRequests(app);
  const rest = await installRest(app, {
    ...{ sql, self, now, report },
    running: () => links.hubs.running(),
  });
  const publicListener = openPublicListener(config, app, keys);
  const endings: Ending[] = [];
  const hub: Hub = {
    get config() {
      return live.config;
    },
    ...{ keys, sql, app, directory, links, auditLog, checkpoints },
    ...{ now, elapsed, report, addresses },
    pages: rest.pages,
    onStop: (work) => void endings.unshift(work),
  };
  hub.onStop(() => database.close());
  for (const stop of followCertificates(config, app, publicListener, report)) hub.onStop(stop);
  hub.onStop(() => directory.close());
  hub.onStop(() => keys.signing.close());
  hub.onStop(() => tracer?.close());
  // The end of the log is signed too.
  hub.onStop(() => checkpoints.close());
  hub.onStop(() => auditLog.flush());
  hub.onStop(() => openCalls.stop());
  hub.onStop(() => app.close());
  hub.onStop(() => rest.stop());

  // The hub's features, each with the features that it uses.
  const witnesses = installWitnesses(hub, { self });
  addCheckpointRoutes(hub, {
    ...{ store: auditStore, readWitnesses: () => readWitnesses(sql) },
    readCosigned: () => witnesses.readCosigned(),
  });
  const { keepPolicy, results, statements } = installEvidence(hub, {
    ...{ auditStore, findWitnesses: (wanted) => findWitnesses(sql, wanted) },
    readPackProof: (digest, signer) => readPackProof(sql, digest, signer),
  });
  const reauthenticate = (request: FastifyRequest) =>
    authenticate({ authenticator, sessions, tokens }, request, false);
  const recorded = createSubjects(apiKeys, openGrants(hub));
  const logReader = createLogReader(hub, recorded);
  addAuditRoutes(hub, {
    ...{ store: auditStore, reader: logReader, subjects: recorded },
    authenticate: reauthenticate,
  });
  const sinks = installSinks(hub, { auditStore, self });
  installed.sinks = sinks;
  const retention = installRetention(hub, { auditStore, self, sinks, subjects: recorded });
  addSigningKeyRoutes(hub);
  const registry = installRegistryLog(hub, { readPolicy });
  hub.onStop(await watchPolicy(hub, auditStore));
  const { catalog, packs, readReadme, heldTools } = installCatalog(hub, { registry, readPolicy });
  const calls = installCalls(hub, { catalog, auditStore, rates, keepPolicy });
  const challenge = (host: string | undefined, capability: Capability) =>
    stepUpChallenge(addresses.web, host, capability);
  const mcp = await installMcp(hub, { calls, catalog, logReader, readReadme, challenge });
  const dismiss = (id: string) => mcp.dismiss(id);
  const subjects = installIdentity(hub, {
    ...{ keys: apiKeys, authenticator, rates, catalog, dismiss },
    dismissEnded: (at) => mcp.dismissEnded(at),
  });
  const people = installPeople(hub, { sessions, subjects, dismiss });
  installOAuth(hub, { people, tokens, findPerson, subjects, dismiss });
  const { watchAgent, describe } = installAttestation(hub, { statements });
  const approvals = installApprovals(hub, { heldTools, describeAttestation: describe });
  const listeners = installAgents(hub, { packs, registry, watchAgent, approvals, results });
  installHealth(hub, metrics, {
    ...{ registry, countSessions: () => people.countSessions() },
    ...{ readSinks: () => sinks.read(), readWitnesses: () => witnesses.read() },
  });
  installConsole(hub, {
    ...{ auditStore, authenticate: reauthenticate },
  });

  // Stop order: accept no agent, then end the open calls, so that each client gets an answer.
  hub.onStop(() => links.close());
  hub.onStop(() => void listeners.control.close());

  const ports = await listen(config, hub, { ...listeners, public: publicListener });
  const ownerLink = await showFirstLink(people, opened, addressOfOwner(config, ports));
  return {
    ready: { hubId: keys.hubId, ...ports, ...(ownerLink !== null && { ownerLink }) },
    reload(inForce) {
      live.config = inForce;
      sinks.reload();
      retention.wake();
      witnesses.reload();
    },
    stop: () => stopAll(endings),
  };
}

/**
 * Where the first owner's browser finds this hub. A browser that does not know the hub's own
 * authority has no passkeys at a listener with that certificate, so it is another one.
 */
function addressOfOwner({ http }: HubConfig, ports: PortNumbers): string {
  const { public: open, ...own } = http;
  return publicOrigin(open?.tls === undefined ? own : http, ports);
}

/**
 * While there is no owner, each start of a hub shows a new link for the first one, since only its hash
 * is kept. The log is the one place that has it.
 */
async function showFirstLink(
  people: People,
  { info }: Pick<ServicePorts, "info">,
  address: string,
): Promise<string | null> {
  const path = await people.giveFirstLink();
  if (path === null) return null;
  info("this hub has no owner yet; this link makes the first account, once, within a day", {
    link: `${address}${path}`,
  });
  return `${address}${path}`;
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

type PortNumbers = { enrol: number; control: number; http: number; public: number };

async function listen(
  config: HubConfig,
  { app, addresses }: Hub,
  { enrol, control, public: publicListener }: AgentListeners & { public: Server | null },
): Promise<PortNumbers> {
  const file = join(config.dataDir, "ports.json");
  const kept = readKeptPorts(file, ["enrol", "control", "http", "public"]);
  const { host, enrolPort, controlPort, names } = config.agents;
  const ports = { ...kept };
  const keep = (): void => writePrivateFile(file, JSON.stringify(ports));
  ports.control = await listenOnPort(control, {
    host,
    port: controlPort,
    kept: kept.control,
    // Enrolled agents connect to this port only, so it must not change.
    isKnown: kept.control !== 0,
  });
  addresses.controlOf = (name) => {
    const reached = names.find((own) => own === name) ?? names[0] ?? host;
    return formatAddress(reached, ports.control);
  };
  // Kept before anybody enrols: an enrolled agent stores the control address.
  keep();
  ports.enrol = await listenOnPort(enrol, { host, port: enrolPort, kept: kept.enrol });
  addresses.enrol = formatAddress(names[0] ?? host, ports.enrol);
  addresses.enrolPort = ports.enrol;
  ports.http = await listenOnPort(app, {
    host: config.http.host,
    port: config.http.port,
    kept: kept.http,
  });
  if (publicListener !== null && config.http.public !== undefined) {
    ports.public = await listenOnPort(publicListener, {
      ...{ host: config.http.public.host, port: config.http.public.port },
      kept: kept.public,
    });
  }
  keep();
  addresses.web = publicOrigin(config.http, ports);
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

/** For clients on other machines; null when there is none. */
function openPublicListener({ http }: HubConfig, app: HttpServer, keys: HubKeys): Server | null {
  if (http.public === undefined) return null;
  const { tls } = http.public;
  const { certificate, privateKey } = keys.server;
  const own: ServerTls = {
    certificate: `${certificate}\n${keys.authority}`,
    privateKey,
    minVersion: "TLSv1.2",
  };
  return createPublicListener(app, tls === undefined ? own : readTlsFiles(tls));
}

/** Certificates of the operator's own are read anew when their files change. */
function followCertificates(
  { http }: HubConfig,
  app: HttpServer,
  publicListener: Server | null,
  report: Report,
): (() => void)[] {
  const own = http.public?.tls;
  return [
    // With `tls` the first listener is one of TLS too.
    ...(http.tls === undefined ? [] : [followTlsFiles(app.server as Server, http.tls, report)]),
    ...(own === undefined || publicListener === null
      ? []
      : [followTlsFiles(publicListener, own, report)]),
  ];
}

runService({
  what: "hub configuration",
  parseConfig: parseHubConfig,
  check: requireSound,
  live: LIVE_SETTINGS,
  start,
});
