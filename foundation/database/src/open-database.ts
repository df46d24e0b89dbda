import { userInfo } from "node:os";
import postgres, { type Sql } from "postgres";
import { socketDirOf, startCluster } from "./cluster.ts";
import { DatabaseError } from "./database-error.ts";
import { findBinaries } from "./find-binaries.ts";
import { type Migration, migrate } from "./migrate.ts";

export type DatabaseOptions = {
  /** Folder of this service, for the embedded cluster. Ignored with `url`. */
  dataDir: string;
  /** An existing server as `postgres://...`. A remote one needs `sslmode=verify-full`. */
  url?: string;
  /** The PostgreSQL schema of this service. Two services can share a database. */
  schema: "hub" | "registry";
  migrations: Migration[];
  maxConnections: number;
  /**
   * Called at most once, when an embedded server ends unexpectedly. Nothing can be stored
   * after that, so the service should end. Its next start also starts the server.
   */
  onLost: (error: DatabaseError) => void;
};

/** An open, migrated database. The caller closes it, which also stops an embedded server. */
export type Database = { sql: Sql; close(): Promise<void> };

/**
 * Opens PostgreSQL (embedded unless `url` is given) and migrates it.
 *
 * @throws DatabaseError with one sentence
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const cluster =
    options.url === undefined
      ? await startCluster(options.dataDir, findBinaries(), options.onLost)
      : null;
  const sql = connect(options);
  const close = async () => {
    await sql.end({ timeout: 5 });
    await cluster?.stop();
  };
  try {
    await migrate(sql, options.schema, options.migrations);
  } catch (thrown) {
    await close();
    if (thrown instanceof DatabaseError) throw thrown;
    throw new DatabaseError("the database cannot be reached or refused the connection", {
      cause: thrown,
    });
  }
  return { sql, close };
}

/**
 * Connects to a database that a service is using: the server at `url`, or that of the data folder.
 * Starts and migrates nothing.
 *
 * @throws DatabaseError when no server answers there
 */
export async function joinDatabase(options: Location): Promise<Database> {
  const sql = connect(options);
  try {
    await sql`select 1`;
  } catch (cause) {
    await sql.end({ timeout: 5 });
    throw new DatabaseError("expected a service that runs, its database does not answer", {
      cause,
    });
  }
  return { sql, close: () => sql.end({ timeout: 5 }) };
}

type Location = Pick<DatabaseOptions, "dataDir" | "url" | "schema" | "maxConnections">;

function connect({ dataDir, url, schema, maxConnections }: Location): Sql {
  const server =
    url === undefined
      ? { host: socketDirOf(dataDir), database: "postgres", username: userInfo().username }
      : readServer(url);
  return postgres({
    ...server,
    max: maxConnections,
    onnotice: () => undefined,
    connect_timeout: 10,
    connection: { application_name: `sonde-${schema}`, search_path: schema },
  });
}

type Server = {
  host: string;
  port?: number;
  database: string;
  username: string;
  password?: string;
  ssl?: { rejectUnauthorized: true };
};

/**
 * Reads the address of the server and how its identity is verified. A remote server must
 * prove its name, and `sslmode=require` does not verify it. `?host=/folder` is libpq's
 * form for a unix socket. All other parts of the URL are ignored.
 */
function readServer(url: string): Server {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new DatabaseError("expected DATABASE_URL to be postgres://..., got something else");
  }
  const server: Server = {
    host: parsed.hostname,
    database: decodeURIComponent(parsed.pathname.slice(1)) || "postgres",
    username: decodeURIComponent(parsed.username),
  };
  if (parsed.port !== "") server.port = Number(parsed.port);
  if (parsed.password !== "") server.password = decodeURIComponent(parsed.password);
  const socketDir = parsed.searchParams.get("host");
  if (socketDir?.startsWith("/")) return { ...server, host: socketDir };
  if (["localhost", "127.0.0.1", "[::1]"].includes(parsed.hostname)) return server;
  if (parsed.searchParams.get("sslmode") !== "verify-full") {
    throw new DatabaseError(
      `expected sslmode=verify-full for a database on ${parsed.hostname}, got ${parsed.searchParams.get("sslmode") ?? "none"}`,
    );
  }
  return { ...server, ssl: { rejectUnauthorized: true } };
}
