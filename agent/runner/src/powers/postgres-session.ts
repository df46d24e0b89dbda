import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import postgres, { type Sql } from "postgres";
import { SEARCH_PATH } from "./postgres-role.ts";

export type PostgresOptions = {
  /** A path of the socket that is connected to. */
  path: string;
  user: string;
  database: string;
  /** How long one statement may take, in ms. */
  statementMs: number;
  /** More than that is not taken from the server. */
  mostBytes: number;
  signal: AbortSignal;
};

export type PostgresSession = {
  /** Asks by the extended protocol: one statement, its parameters bound. Values are texts. */
  ask(text: string, parameters?: string[]): Promise<Record<string, string | null>[]>;
  /** Gives the rows one by one, and takes a few at a time from the server. */
  askLargely(text: string, parameters: string[]): AsyncIterable<Record<string, string | null>>;
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
export async function openPostgres(options: PostgresOptions): Promise<PostgresSession> {
  const socket = connect({ path: options.path, signal: options.signal });
  // The driver adds its own listener later; without this one an early error would end the process.
  socket.on("error", () => undefined);
  await once(socket, "connect", { signal: options.signal });
  const limit = limitSocket(socket, options.mostBytes);
  const sql = buildClient(options, socket);
  const orWhy = (error: unknown): never => {
    throw limit.why() ?? error;
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

function buildClient({ user, database, statementMs }: PostgresOptions, socket: Socket): Sql {
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

/** Ends a connection over which more comes than may, or that wants a password. */
function limitSocket(socket: Socket, mostBytes: number): { why(): SondeError | null } {
  let why: SondeError | null = null;
  let left = mostBytes;
  let head = Buffer.alloc(0);
  const end = (error: SondeError): void => {
    why ??= error;
    socket.destroy();
  };
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) {
      end(new SondeError("READ_FAILED", `the server sent more than ${mostBytes} bytes`));
    }
    if (head.length >= 9) return;
    head = Buffer.concat([head, chunk.subarray(0, 9)]);
    if (head.length < 9 || head[0] !== AUTHENTICATION || head.readUInt32BE(5) === 0) return;
    end(
      new SondeError(
        "PERMISSION_NEEDED",
        "the server wants a password, and the runner has none: expected a line `local all USER peer` of pg_hba.conf for its user, before other lines",
      ),
    );
  });
  return { why: () => why };
}

type Columns = readonly { name: string }[];

function toRecords(
  rows: Iterable<readonly (Buffer | null)[]>,
  columns: Columns,
): Record<string, string | null>[] {
  return Array.from(rows, (row) =>
    Object.fromEntries(
      columns.map(({ name }, index) => [name, row[index]?.toString("utf8") ?? null]),
    ),
  );
}
