import { userInfo } from "node:os";
import postgres, { type Sql } from "postgres";
import { socketDirOf, startCluster } from "./cluster.ts";
import { DatabaseError } from "./database-error.ts";
import { findBinaries } from "./find-binaries.ts";
import { createPrimaryFinder } from "./find-primary.ts";
import { keepPulse } from "./keep-pulse.ts";
import { type Migration, migrate } from "./migrate.ts";
import { openSockets } from "./open-sockets.ts";
import { type Address, readServers, type Servers } from "./read-servers.ts";

export type DatabaseOptions = {
  /** Folder of this service, for the embedded cluster. Ignored with `url`. */
  dataDir: string;
  /**
   * An existing server as `postgres://...`, or several, of which the one that takes writes is used.
   * A remote one needs `sslmode=verify-full`.
   */
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
  const { sql, ...connected } = connect(options);
  const close = async () => {
    await connected.close();
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
  const database = connect(options);
  try {
    await database.sql`select 1`;
  } catch (cause) {
    await database.close();
    throw new DatabaseError("expected a service that runs, its database does not answer", {
      cause,
    });
  }
  return database;
}

type Location = Pick<DatabaseOptions, "dataDir" | "url" | "schema" | "maxConnections">;

/** Connections that end with `close`. None is made before the first query. */
function connect({ dataDir, url, schema, maxConnections }: Location): Database {
  const { addresses, ...login } = url === undefined ? serversIn(dataDir) : readServers(url);
  const open = (find: () => Promise<Address>, max: number) => {
    const sockets = openSockets(find);
    const options = {
      ...{ ...login, ...CONNECTION, max, host: addresses[0].host },
      connection: { application_name: `sonde-${schema}`, search_path: schema },
    };
    // The driver's types lack it.
    const reached: object = { socket: sockets.open };
    return { sockets, sql: postgres({ ...options, ...reached }) };
  };
  const ask = async (address: Address): Promise<number> => {
    const { sql } = open(() => Promise.resolve(address), 1);
    try {
      const [row] = await sql<{ timeline: string }[]>`
        select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as timeline`;
      return Number.parseInt(row?.timeline ?? "", 16);
    } finally {
      await sql.end({ timeout: 0 });
    }
  };
  const find =
    addresses.length === 1
      ? () => Promise.resolve(addresses[0])
      : createPrimaryFinder(addresses, ask);
  const { sockets, sql } = open(find, maxConnections);
  // A machine does not vanish from itself.
  const isRemote = !addresses.every(({ host }) => host.startsWith("/"));
  const pulse = isRemote ? open(find, 1) : null;
  const stop =
    pulse === null
      ? () => undefined
      : keepPulse(
          () => pulse.sql`select 1`,
          () => {
            for (const all of [sockets, pulse.sockets]) all.destroy();
          },
        );
  return {
    sql,
    async close() {
      stop();
      await pulse?.sql.end({ timeout: 0 });
      await sql.end({ timeout: 5 });
    },
  };
}

const CONNECTION = {
  onnotice: () => undefined,
  connect_timeout: 10,
  /** A session on a standby would last when another server was made the primary, and could not listen. */
  target_session_attrs: "primary",
  /**
   * So long a connection that ended stays closed. The driver's own pauses grow to 20 s, in which a
   * query waits, and after a standby's answer there is none.
   */
  backoff: () => 0.2,
} as const;

function serversIn(dataDir: string): Servers {
  const address = { host: socketDirOf(dataDir), port: 5432 };
  return { addresses: [address], database: "postgres", username: userInfo().username };
}
