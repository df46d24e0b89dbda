import type { Socket } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import postgres, { type Sql } from "postgres";
import { SEARCH_PATH } from "./postgres-role.ts";
import type { SqlConnection, SqlRecord } from "./sql-engine.ts";
import { type SqlSocket, openSocket } from "./sql-socket.ts";

export type PostgresSession = {
  /** Asks by the extended protocol: one statement, its parameters bound. Values are texts. */
  ask(text: string, parameters?: string[]): Promise<SqlRecord[]>;
  /** Gives the rows one by one, and takes a few at a time from the server. */
  askLargely(text: string, parameters: string[]): AsyncIterable<SqlRecord>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Left out, the driver sends a statement without parameters as text, which may hold several. */
const EXTENDED: object = { simple: false };
const LOCK_MS = 100;
const LEAVE_SECONDS = 0.5;
/** Rows that the server sends at once. */
const ROWS_AT_ONCE = 20;
const AUTHENTICATION = "R".charCodeAt(0);

/**
 * Connects once, without a password, and with settings that no default of the server, the database
 * or the role replaces. The connection is closed with the session, and at the deadline: the server
 * ends a statement at its own timeout.
 */
export async function openPostgres(
  connection: SqlConnection,
  database: string,
): Promise<PostgresSession> {
  const link = await openSocket(connection);
  const { socket } = link;
  refusePassword(link);
  const sql = buildClient(connection, database, socket);
  const orWhy = (error: unknown): never => {
    throw link.why() ?? error;
  };
  return {
    async ask(text, parameters = []) {
      try {
        const rows = await sql.unsafe(text, parameters, EXTENDED).raw();
        return toRecords(rows, rows.columns);
      } catch (error) {
        return orWhy(error);
      }
    },
    async *askLargely(text, parameters) {
      const asked = sql.unsafe(text, parameters, EXTENDED).raw();
      let columns: Columns = [];
      try {
        for await (const rows of asked.cursor(ROWS_AT_ONCE)) {
          // The driver names the columns with the first rows only.
          if ("columns" in rows && Array.isArray(rows.columns)) ({ columns } = rows);
          yield* toRecords(rows, columns);
        }
      } catch (error) {
        orWhy(error);
      }
    },
    async [Symbol.asyncDispose]() {
      // It says that it leaves; the server would log an open transaction that just ends.
      await sql.end({ timeout: LEAVE_SECONDS });
      socket.destroy();
    },
  };
}

function buildClient({ user, statementMs }: SqlConnection, database: string, socket: Socket): Sql {
  let isUsed = false;
  return postgres({
    host: "localhost",
    port: 5432,
    user,
    database,
    // Never sent, whatever the server asks for.
    password: () => new Promise<string>(() => undefined),
    ssl: false,
    max: 1,
    prepare: false,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 10,
    onnotice: () => undefined,
    // A second connection would have no transaction, and nobody would have checked its role.
    socket: () => {
      if (isUsed) throw new SondeError("READ_FAILED", "the server closed the connection");
      isUsed = true;
      return socket;
    },
    connection: {
      application_name: "sonde",
      default_transaction_read_only: true,
      statement_timeout: statementMs,
      lock_timeout: LOCK_MS,
      idle_in_transaction_session_timeout: statementMs,
      search_path: SEARCH_PATH,
      standard_conforming_strings: "on",
      max_parallel_workers_per_gather: 0,
      client_encoding: "UTF8",
      DateStyle: "ISO",
      IntervalStyle: "iso_8601",
      TimeZone: "UTC",
    } as object,
  } as postgres.Options<Record<string, never>>);
}

/** Ends a connection to a server that wants a password. */
function refusePassword(link: SqlSocket): void {
  let head = Buffer.alloc(0);
  link.socket.on("data", (chunk: Buffer) => {
    if (head.length >= 9) return;
    head = Buffer.concat([head, chunk.subarray(0, 9)]);
    if (head.length < 9 || head[0] !== AUTHENTICATION || head.readUInt32BE(5) === 0) return;
    link.end(
      new SondeError(
        "PERMISSION_NEEDED",
        "the server wants a password, and the runner has none: expected a line `local all USER peer` of pg_hba.conf for its user, before other lines",
      ),
    );
  });
}

type Columns = readonly { name: string }[];

function toRecords(rows: Iterable<readonly (Buffer | null)[]>, columns: Columns): SqlRecord[] {
  return Array.from(rows, (row) =>
    Object.fromEntries(
      columns.map(({ name }, index) => [name, row[index]?.toString("utf8") ?? null]),
    ),
  );
}
