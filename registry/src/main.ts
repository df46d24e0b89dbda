import { mkdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { type Database, DatabaseError, openDatabase } from "@sonde/database";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type TrustedRoot, parseTrustedRoot } from "@sonde/schemas/trust";
import { formatNoteKey, parseNoteKey } from "@sonde/trust/log";
import { DEFAULT_RATE_LIMITS, type RegistryConfig, parseRegistryConfig } from "./config.ts";
import { REGISTRY_VERSION } from "./core/registry-version.ts";
import { createChecker } from "./edge/checker.ts";
import { createDownloadCounter } from "./edge/download-counter.ts";
import { addArchiveRoutes } from "./edge/http/archive-routes.ts";
import { installConditionalAnswers } from "./edge/http/conditional.ts";
import { addDetailRoutes } from "./edge/http/detail-routes.ts";
import { createDetailsReader } from "./edge/http/details-reader.ts";
import { guardRoutes } from "./edge/http/guard-routes.ts";
import { createHttpServer } from "./edge/http/http-server.ts";
import { addIndexRoutes } from "./edge/http/index-routes.ts";
import { addLifeRoutes } from "./edge/http/life-routes.ts";
import { authenticate } from "./edge/http/authenticate.ts";
import { addLogRoutes } from "./edge/http/log-routes.ts";
import { installOpenApi } from "./edge/http/openapi.ts";
import { addPackRoutes } from "./edge/http/pack-routes.ts";
import { addPermissionRoutes } from "./edge/http/permission-routes.ts";
import { addTokenRoutes } from "./edge/http/token-routes.ts";
import { addExchangeRoute, addTrustedRoutes } from "./edge/http/trusted-routes.ts";
import { installUploads, openUploads } from "./edge/http/read-upload.ts";
import { installRateLimits } from "./edge/http/rate-limit.ts";
import { addResolveRoutes } from "./edge/http/resolve-routes.ts";
import { addSearchRoutes } from "./edge/http/search-routes.ts";
import { listenHttp, listenOperator, requireSafeListener } from "./edge/listen.ts";
import { createCheckpointReader, createImportedCheckpointReader } from "./edge/log-head.ts";
import { openLogKey } from "./edge/log-key.ts";
import { createIdentityVerifier } from "./edge/oidc/identity-verifier.ts";
import { addImportRoute } from "./edge/operator/import-route.ts";
import { addOperatorRoutes } from "./edge/operator/operator-routes.ts";
import { createReadmeReader, readStoredReadme } from "./edge/readme/read-readme.ts";
import { createReadmeRenderer } from "./edge/readme/readme-renderer.ts";
import { openBlobStore } from "./edge/store/blob-store.ts";
import { createImportStore } from "./edge/store/import-store.ts";
import { createLifeStore } from "./edge/store/life-store.ts";
import { createLogStore } from "./edge/store/log-store.ts";
import { migrations } from "./edge/store/migrations.ts";
import { createNameStore } from "./edge/store/name-store.ts";
import { createPackLogReader } from "./edge/store/pack-log.ts";
import { createPackStore } from "./edge/store/pack-store.ts";
import { createPublisherStore } from "./edge/store/publisher-store.ts";
import { createTokenStore } from "./edge/store/token-store.ts";
import { createTrustedPublisherStore } from "./edge/store/trusted-publisher-store.ts";
import { createReadmeStore } from "./edge/store/readme-store.ts";
import { createVersionStore } from "./edge/store/version-store.ts";
import { addPageRoutes } from "./edge/web/page-routes.ts";

// registry CONFIG: the service; its operator's commands are `sonde registry ...`.

const MAX_DATABASE_CONNECTIONS = 6;
/** Each has a process that reads and verifies its archive. */
const PUBLISHES_AT_ONCE = 3;
const now = (): Date => new Date();

/** One JSON line on standard error; never a token or a body. */
function report(error: Error, requestId?: string): void {
  const { message, stack, cause } = error;
  const line = {
    at: now().toISOString(),
    level: "error",
    message,
    stack,
    ...(requestId !== undefined && { requestId }),
    ...(cause instanceof Error && { cause: cause.stack }),
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

async function serve(config: RegistryConfig): Promise<() => Promise<void>> {
  if (process.getuid?.() === 0) {
    throw new SondeError("PRIVILEGE_REFUSED", "expected an unprivileged user, got root");
  }
  requireSafeListener(config.http);
  const trustedRoot = readTrustedRoot(config.trustedRootFile);
  makeFolder(config.dataDir);
  const database = await openDatabase({
    dataDir: config.dataDir,
    onLost: fail,
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    schema: "registry",
    migrations,
    maxConnections: MAX_DATABASE_CONNECTIONS,
  });
  try {
    return await listen(config, database, trustedRoot);
  } catch (thrown) {
    // A registry that cannot serve, its port being taken, leaves no database running.
    await database.close();
    throw thrown;
  }
}

async function listen(
  config: RegistryConfig,
  database: Database,
  trustedRoot: TrustedRoot | undefined,
): Promise<() => Promise<void>> {
  const blobs = await openBlobStore(join(config.dataDir, "archives"));
  const log = createLogStore(database.sql);
  const mirrored = config.mirror === undefined ? null : parseNoteKey(config.mirror.logKey);
  const isMirror = mirrored !== null;
  const logKey = isMirror ? { key: mirrored } : openLogKey(config.dataDir, config.logName);
  await log.open(formatNoteKey(logKey.key));
  const names = createNameStore(database.sql);
  const packs = createPackStore(database.sql, (digest) => readStoredReadme(blobs, digest));
  const versions = createVersionStore(database.sql, log, names, packs);
  const lives = createLifeStore(database.sql, log, packs);
  const publishers = createPublisherStore(database.sql);
  const downloads = createDownloadCounter(packs, report);
  const renderer = createReadmeRenderer(siblingProgram("render-readme"));
  const readReadme = createReadmeReader(createReadmeStore(database.sql), blobs, renderer);
  const readDetails = createDetailsReader(versions, lives, packs, readReadme);
  const readCheckpoint =
    "privateKey" in logKey
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

  const tokens = createTokenStore(database.sql);
  const findHolder = (token: string) => tokens.findHolder(token, now());

  const refusals = isMirror ? (["REGISTRY_READ_ONLY"] as const) : [];
  const operator = createHttpServer(report, { requestTimeoutMs: 0 });
  guardRoutes(operator, async () => ({ role: "operator" }), { isMirror });
  await installOpenApi(operator, {
    title: "Sonde registry, for its operator",
    version: REGISTRY_VERSION,
    errors: ["INTERNAL", ...refusals],
  });
  addTokenRoutes(operator, { publishers, tokens, now });
  addOperatorRoutes(operator, publishers, now);
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
  const app = createHttpServer(report, config.http);
  installRateLimits(app, config.rateLimits ?? DEFAULT_RATE_LIMITS, () => performance.now());
  installConditionalAnswers(app);
  guardRoutes(app, (request) => authenticate(request.headers.authorization, findHolder), {
    isMirror,
  });
  await installOpenApi(app, {
    title: "Sonde registry",
    version: REGISTRY_VERSION,
    errors: ["TOO_MANY_ATTEMPTS", "INTERNAL", ...refusals],
  });
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
    maxCapability: config.maxCapability,
    trustedRoot,
    now,
  });
  if (config.trustedPublishing !== undefined) {
    const identities = createIdentityVerifier(config.trustedPublishing, now);
    const trusted = createTrustedPublisherStore(database.sql);
    const ports = { publishers, trusted, identities, now };
    addTrustedRoutes(operator, ports);
    addTrustedRoutes(app, ports);
    addExchangeRoute(app, ports);
  }
  addPermissionRoutes(app, versions);
  addSearchRoutes(app, packs);
  addDetailRoutes(app, readDetails);
  addArchiveRoutes(app, { ...versions, lives, blobs, downloads });
  const readPackLog = createPackLogReader(log);
  addIndexRoutes(app, readPackLog);
  addResolveRoutes(app, readPackLog);
  addLogRoutes(app, { log, key: logKey.key, readCheckpoint });
  addPageRoutes(app, { versions, lives, packs, readDetails, readCheckpoint }, report);
  const operatorSocket = await listenOperator(operator, config.dataDir);
  const port = await listenHttp(app, config.http, config.dataDir);
  print({ ready: true, pid: process.pid, port, operatorSocket, logKey: formatNoteKey(logKey.key) });
  return async () => {
    await Promise.all([app.close(), operator.close()]);
    checker.close();
    await Promise.all([downloads.close(), renderer.close()]);
    await database.close();
  };
}

/** Source or bundle, every program of the registry lies beside this one. */
function siblingProgram(name: string): string {
  return join(import.meta.dirname, `${name}${extname(import.meta.filename)}`);
}

function makeFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o750 });
  } catch (cause) {
    throw new SondeError("RIGHT_MISSING", `cannot create ${dataDir}`, { cause });
  }
}

function readTrustedRoot(path: string | undefined): TrustedRoot | undefined {
  return path === undefined ? undefined : parseTrustedRoot(readJson(path));
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", `cannot read ${path}`, { cause });
  }
  return parseJson(text, path, "CONFIG_INVALID");
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function main([configFile, ...more]: string[]): Promise<void> {
  if (configFile === undefined || more.length > 0) {
    throw new SondeError(
      "CONFIG_INVALID",
      "expected CONFIG alone; the operator's are `sonde registry`",
    );
  }
  await runService(parseRegistryConfig(readJson(configFile)));
}

async function runService(config: RegistryConfig): Promise<void> {
  const stop = await serve(config);
  let stopping = false;
  const end = (): void => {
    if (stopping) return;
    stopping = true;
    stop().then(() => process.exit(0), fail);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  if (config.supervised) process.stdin.resume().on("end", end).on("error", end);
}

function fail(thrown: unknown): void {
  const error =
    thrown instanceof DatabaseError
      ? new SondeError(thrown.code, thrown.message, { cause: thrown })
      : toSondeError(thrown);
  report(error);
  print(error.toBody());
  process.exit(1);
}

main(process.argv.slice(2)).catch(fail);
