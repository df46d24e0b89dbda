import { extname, join } from "node:path";
import { type Database, openDatabase } from "@sonde/database";
import { type Capability, type Digest } from "@sonde/schemas/names";
import { type TrustedRoot, parseTrustedRoot } from "@sonde/schemas/trust";
import {
  type RateLimits,
  type Running,
  type ServicePorts,
  createHttpServer,
  createRefusalCounts,
  listenOnPort,
  listenOnSocket,
  makeDataFolder,
  readConfiguredJson,
  readKeptPorts,
  requireProxyAddresses,
  requireSafeListener,
  runService,
  writePrivateFile,
} from "@sonde/service";
import { formatNoteKey, parseNoteKey } from "@sonde/trust/log";
import {
  DEFAULT_RATE_LIMITS,
  LIVE_SETTINGS,
  type RegistryConfig,
  parseRegistryConfig,
} from "./config.ts";
import { createChecker } from "./edge/checker.ts";
import { createDownloadCounter } from "./edge/download-counter.ts";
import { addArchiveRoutes } from "./edge/http/archive-routes.ts";
import { installConditionalAnswers } from "./edge/http/conditional.ts";
import { addDetailRoutes } from "./edge/http/detail-routes.ts";
import { createDetailsReader, createDifferenceReader } from "./edge/http/details-reader.ts";
import { buildGuard } from "./edge/http/guard.ts";
import { addIndexRoutes } from "./edge/http/index-routes.ts";
import { addLifeRoutes } from "./edge/http/life-routes.ts";
import { authenticate } from "./edge/http/authenticate.ts";
import { addLogRoutes } from "./edge/http/log-routes.ts";
import { describeApi } from "./edge/http/describe-api.ts";
import { addPackRoutes } from "./edge/http/pack-routes.ts";
import { addPermissionRoutes } from "./edge/http/permission-routes.ts";
import { addTokenRoutes } from "./edge/http/token-routes.ts";
import { addExchangeRoute, addTrustedRoutes } from "./edge/http/trusted-routes.ts";
import { installUploads, openUploads } from "./edge/http/read-upload.ts";
import { addResolveRoutes } from "./edge/http/resolve-routes.ts";
import { addSearchRoutes } from "./edge/http/search-routes.ts";
import { createJobIdentities } from "./edge/job-identities.ts";
import { createCheckpointReader, createImportedCheckpointReader } from "./edge/log-head.ts";
import { openLogKey } from "./edge/log-key.ts";
import { addImportRoute } from "./edge/operator/import-route.ts";
import { addOperatorRoutes } from "./edge/operator/operator-routes.ts";
import { createReadmeReader, readStoredReadme } from "./edge/readme/read-readme.ts";
import { createReadmeRenderer } from "./edge/readme/readme-renderer.ts";
import { openPublicDoor } from "./edge/public-door.ts";
import { openBlobStore } from "./edge/store/blob-store.ts";
import { createImportStore } from "./edge/store/import-store.ts";
import { createLifeStore } from "./edge/store/life-store.ts";
import { createLogStore } from "./edge/store/log-store.ts";
import { migrations } from "./edge/store/migrations.ts";
import { createNameStore } from "./edge/store/name-store.ts";
import { createPackLogReader } from "./edge/store/pack-log.ts";
import { createPackSearch } from "./edge/store/pack-search.ts";
import { createPackStore } from "./edge/store/pack-store.ts";
import { createPublisherReader } from "./edge/store/publisher-reader.ts";
import { createPublisherStore } from "./edge/store/publisher-store.ts";
import { createTokenStore } from "./edge/store/token-store.ts";
import { createTrustedPublisherStore } from "./edge/store/trusted-publisher-store.ts";
import { createRightsLog } from "./edge/store/rights-log.ts";
import { createReadmeStore } from "./edge/store/readme-store.ts";
import { createVersionStore } from "./edge/store/version-store.ts";
import { addPageRoutes } from "./edge/web/page-routes.ts";

// registry CONFIG: runs the service. The operator's commands are `sonde registry ...`.

const MAX_DATABASE_CONNECTIONS = 6;
/** Each publish has its own process that verifies the archive. */
const PUBLISHES_AT_ONCE = 3;

async function start(
  config: RegistryConfig,
  ports: ServicePorts,
): Promise<Running<RegistryConfig>> {
  const settings = readSettings(config);
  makeDataFolder(config.dataDir);
  const database = await openDatabase({
    dataDir: config.dataDir,
    onLost: ports.endFor,
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    schema: "registry",
    migrations,
    maxConnections: MAX_DATABASE_CONNECTIONS,
  });
  try {
    return await serve(config, { ...ports, database, settings });
  } catch (thrown) {
    // A registry that cannot serve, for example on a port in use, stops its database.
    await database.close();
    throw thrown;
  }
}

/** What may be another while the registry runs. */
type Settings = {
  maxCapability: Capability;
  trustedRoot: TrustedRoot | undefined;
  rateLimits: RateLimits;
  trustedProxies: readonly string[];
};

/** @throws SondeError for a configuration that no registry may have */
function readSettings(config: RegistryConfig): Settings {
  requireSafeListener(config.http);
  const trustedProxies = config.http.trustedProxies ?? [];
  requireProxyAddresses(trustedProxies);
  return {
    maxCapability: config.maxCapability,
    trustedRoot: readTrustedRoot(config.trustedRootFile),
    rateLimits: config.rateLimits ?? DEFAULT_RATE_LIMITS,
    trustedProxies,
  };
}

type Opened = ServicePorts & { database: Database; settings: Settings };

async function serve(config: RegistryConfig, opened: Opened): Promise<Running<RegistryConfig>> {
  const { database, report, now } = opened;
  let { settings } = opened;
  const blobs = await openBlobStore(join(config.dataDir, "archives"));
  const log = createLogStore(database.sql);
  const mirrored = config.mirror === undefined ? null : parseNoteKey(config.mirror.logKey);
  const isMirror = mirrored !== null;
  const logKey = isMirror ? { key: mirrored } : openLogKey(config.dataDir, config.logName);
  await log.open(formatNoteKey(logKey.key));
  const names = createNameStore(database.sql);
  const packs = createPackStore(database.sql, (digest) => readStoredReadme(blobs, digest));
  await packs.deriveOutdated();
  const versions = createVersionStore(database.sql, log, names, packs);
  const lives = createLifeStore(database.sql, log, packs);
  const rights = createRightsLog(database.sql, now);
  const publishers = createPublisherStore(database.sql, rights);
  const downloads = createDownloadCounter(packs, report);
  const renderer = createReadmeRenderer(siblingProgram("render-readme"));
  const readReadme = createReadmeReader(createReadmeStore(database.sql), blobs, renderer);
  const readDetails = createDetailsReader({ versions, lives, packs, publishers, readReadme });
  const readDifference = createDifferenceReader(versions, (digest) =>
    readStoredReadme(blobs, digest),
  );
  const readPublisher = createPublisherReader(database.sql);
  const search = createPackSearch(database.sql);
  const readCheckpoint =
    "signer" in logKey
      ? createCheckpointReader(log, logKey, now)
      : createImportedCheckpointReader(log);

  const uploadFolder = join(config.dataDir, "uploads");
  const checker = createChecker(config.admitPath, uploadFolder);
  const dropUnpublished = async (digest: Digest) => {
    if (!(await versions.isPublished(digest))) await blobs.removeBlob(digest);
  };
  const uploads = await openUploads({
    folder: uploadFolder,
    atOnce: PUBLISHES_AT_ONCE,
    onLeft: dropUnpublished,
  });

  const tokens = createTokenStore(database.sql, rights);
  const tokenRefusals = createRefusalCounts({
    ...{ event: "token.refused", auditLog: rights, now, report },
  });
  const findHolder = (token: string) => tokens.findHolder(token, now());

  const refusals = isMirror ? (["REGISTRY_READ_ONLY"] as const) : [];
  const operator = createHttpServer({
    report,
    guard: buildGuard(async () => ({ role: "operator" }), isMirror, rights, now),
    // An import may take any time.
    requestTimeoutMs: 0,
  });
  await describeApi(operator, "Sonde registry, for its operator", ["INTERNAL", ...refusals]);
  addTokenRoutes(operator, { publishers, tokens, now });
  addOperatorRoutes(operator, { publishers, rights, now });
  const imports = createImportStore(database.sql, {
    log,
    names,
    packs,
    versions,
    lives,
    blobs,
    dropUnpublished,
    uploadFolder,
  });
  addImportRoute(operator, { imports, mirrored, now });
  const app = createHttpServer({
    report,
    guard: buildGuard(
      ({ headers, ip }) =>
        authenticate(headers.authorization, findHolder, () =>
          tokenRefusals.add(ip, "UNAUTHENTICATED"),
        ),
      isMirror,
      rights,
      now,
    ),
    rateLimits: { read: () => settings.rateLimits, nowMs: () => performance.now() },
    trustedProxies: () => settings.trustedProxies,
  });
  installConditionalAnswers(app);
  await describeApi(app, "Sonde registry", ["TOO_MANY_ATTEMPTS", "INTERNAL", ...refusals]);
  await installUploads(app);
  addTokenRoutes(app, { publishers, tokens, now });
  for (const server of [operator, app]) addLifeRoutes(server, lives, now);
  addPackRoutes(app, {
    ...versions,
    ...names,
    ...publishers,
    ...blobs,
    versions,
    lives,
    uploads,
    checkUpload: checker.checkUpload,
    get maxCapability() {
      return settings.maxCapability;
    },
    get trustedRoot() {
      return settings.trustedRoot;
    },
    now,
  });
  if (config.trustedPublishing !== undefined) {
    const identities = createJobIdentities(config.trustedPublishing, now);
    const trusted = createTrustedPublisherStore(database.sql, rights);
    const ports = { publishers, trusted, identities, refusals: tokenRefusals, now };
    addTrustedRoutes(operator, ports);
    addTrustedRoutes(app, ports);
    addExchangeRoute(app, ports);
  }
  addPermissionRoutes(app, versions);
  addSearchRoutes(app, search);
  const descriptions = { readDetails, readDifference, readPublisher };
  addDetailRoutes(app, descriptions);
  addArchiveRoutes(app, { ...versions, lives, blobs, downloads });
  const readPackLog = createPackLogReader(log);
  addIndexRoutes(app, readPackLog);
  addResolveRoutes(app, readPackLog);
  addLogRoutes(app, { log, key: logKey.key, readCheckpoint });
  addPageRoutes(app, { versions, lives, search, ...descriptions, readCheckpoint });
  const publicDoor =
    config.http.public === undefined
      ? null
      : await openPublicDoor(app, config.http.public, join(config.dataDir, "tls"), now(), report);
  const operatorSocket = join(config.dataDir, "run/operator.sock");
  await listenOnSocket(operator, operatorSocket);
  const portsFile = join(config.dataDir, "run/registry.json");
  const kept = readKeptPorts(portsFile, ["port", "publicPort"]);
  const port = await listenOnPort(app, { ...config.http, kept: kept.port });
  const publicPort = (await publicDoor?.listen(kept.publicPort)) ?? kept.publicPort;
  writePrivateFile(portsFile, JSON.stringify({ pid: process.pid, port, publicPort }));
  return {
    ready: {
      ...{ port, operatorSocket, logKey: formatNoteKey(logKey.key) },
      ...(publicDoor !== null && { publicPort, authority: publicDoor.authority }),
    },
    reload(inForce) {
      settings = readSettings(inForce);
    },
    async stop() {
      await Promise.all([app.close(), operator.close()]);
      checker.close();
      await tokenRefusals.close();
      await Promise.all([downloads.close(), renderer.close()]);
      await database.close();
    },
  };
}

/** Returns the path of another program, which lies beside this file in source and bundle alike. */
function siblingProgram(name: string): string {
  return join(import.meta.dirname, `${name}${extname(import.meta.filename)}`);
}

function readTrustedRoot(path: string | undefined): TrustedRoot | undefined {
  return path === undefined
    ? undefined
    : parseTrustedRoot(readConfiguredJson(path, "trusted root"));
}

runService({
  what: "registry configuration",
  parseConfig: parseRegistryConfig,
  check: readSettings,
  live: LIVE_SETTINGS,
  start,
});
