import { once } from "node:events";
import { SondeError } from "@sonde/schemas/errors";
import type { Connection } from "mysql2";
import type { SqlConnection, SqlRecord } from "./sql-engine.ts";
import { openSocket } from "./sql-socket.ts";

/** The server as its greeting has it. */
export type MysqlServer = { isMariaDb: boolean; version: number };

export type MysqlSession = {
  readonly server: MysqlServer;
  /** Asks one of our own statements, which has no values. */
  ask(text: string): Promise<SqlRecord[]>;
  /** Asks by a statement that the server prepares, with bound parameters. Gives the rows one by one. */
  askLargely(text: string, parameters: string[]): AsyncIterable<SqlRecord>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Rows that the driver holds at once. */
const ROWS_AT_ONCE = 20;
/**
 * What the driver offers a server by default and nothing here needs. LOCAL_FILES lets the server
 * ask for a file of the client, IGNORE_SPACE makes a call of what stands before a blank.
 */
const NOT_OFFERED = [
  ...["-LOCAL_FILES", "-IGNORE_SPACE", "-MULTI_RESULTS", "-SESSION_TRACK", "-CONNECT_ATTRS"],
  ...["-ODBC", "-CLIENT_QUERY_ATTRIBUTES"],
];

/**
 * Connects once, without a password. The connection is closed with the session, and at the
 * deadline: the server ends a statement at its own timeout.
 *
 * @param says is given the server before it let this process in
 */
export async function openMysql(
  { user, ...connection }: SqlConnection,
  database: string,
  says: (server: MysqlServer) => void,
): Promise<MysqlSession> {
  // Most hosts have no such server, so an idle runner does without the driver. It has to be there
  // when the server's greeting comes.
  const { createConnection } = await import("mysql2");
  const link = await openSocket(connection);
  let server: MysqlServer = { isMariaDb: false, version: 0 };
  link.socket.once("data", (greeting: Buffer) => says((server = readGreeting(greeting))));
  const driver = createConnection({
    stream: link.socket,
    user,
    database,
    charset: "UTF8MB4_GENERAL_CI",
    connectTimeout: 0,
    flags: NOT_OFFERED,
    multipleStatements: false,
    // Its own parsers of rows are compiled from texts.
    disableEval: true,
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
  });
  // An error reaches who asked. Without this listener it would end the process too.
  driver.on("error", () => undefined);
  const orWhy = (error: unknown): never => {
    throw link.why() ?? error;
  };
  try {
    await once(driver, "connect", { signal: connection.signal });
  } catch (error) {
    link.socket.destroy();
    orWhy(error);
  }
  return {
    server,
    async ask(text) {
      try {
        const [rows, fields] = await driver.promise().query(text);
        return Array.isArray(rows) ? rows.map((row) => toRecord(row, fields)) : [];
      } catch (error) {
        return orWhy(error);
      }
    },
    async *askLargely(text, parameters) {
      let columns: Columns = [];
      const asked = driver.execute(text, parameters);
      asked.on("fields", (fields: Columns) => (columns = fields));
      const rows = asked.stream({ highWaterMark: ROWS_AT_ONCE });
      // The driver tells its connection alone that the server is gone.
      driver.once("error", (error: Error) => rows.destroy(error));
      try {
        for await (const row of rows) yield toRecord(row, columns);
      } catch (error) {
        orWhy(error);
      }
    },
    async [Symbol.asyncDispose]() {
      await leave(driver);
      link.socket.destroySoon();
    },
  };
}

/** It says that it leaves; the server would log a connection that just ends. */
function leave(driver: Connection): Promise<void> {
  return new Promise((resolve) => driver.end(() => resolve()));
}

/** `5.5.5-10.11.19-MariaDB-0+deb12u1` or `8.0.36`, after the head of the packet and its protocol. */
function readGreeting(greeting: Buffer): MysqlServer {
  const end = greeting.indexOf(0, 5);
  const text = greeting.toString("latin1", 5, end === -1 ? 5 : end);
  const [, major, minor, patch] = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return {
    isMariaDb: text.includes("MariaDB"),
    version: Number(major ?? 0) * 10_000 + Number(minor ?? 0) * 100 + Number(patch ?? 0),
  };
}

type Columns = readonly { name: string }[];

function toRecord(row: unknown, columns: Columns): SqlRecord {
  const values: unknown[] = Array.isArray(row) ? row : [];
  return Object.fromEntries(columns.map(({ name }, index) => [name, toText(values[index])]));
}

function toText(value: unknown): string | null {
  if (value === null || typeof value === "string") return value;
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  if (typeof value === "number") return String(value);
  throw new SondeError(
    "READ_FAILED",
    `expected a text or a number of a column, got ${typeof value}`,
  );
}
