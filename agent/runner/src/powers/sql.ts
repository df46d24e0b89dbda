import { userInfo } from "node:os";
import type { SqlSource } from "@sonde/schemas/manifest";
import { SondeError } from "@sonde/schemas/errors";
import type { FilledRead } from "@sonde/schemas/reads";
import { cutMessage } from "./cut-text.ts";
import { askMysql } from "./mysql.ts";
import { withSocket } from "./open-path.ts";
import { askPostgres } from "./postgres.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { errnoOf } from "./read-failure.ts";
import type { AskEngine, SqlRecord } from "./sql-engine.ts";
import { createTurns } from "./turns.ts";

/** The most that one statement takes, in ms. */
const MOST_STATEMENT_MS = 2000;
/** Of a read's time for connecting, the role and the answer. */
const BESIDE_MS = 300;
/** Taken from the server beside the rows, and beyond the row that did not fit. */
const BESIDE_BYTES = 1_048_576;
/** Connections of this process at once: a server has few, and its users need them. */
const MOST_CONNECTIONS = 2;

const ENGINES: Record<SqlSource["engine"], AskEngine> = {
  postgres: askPostgres,
  mysql: askMysql,
};

const withTurn = createTurns(MOST_CONNECTIONS);

/**
 * Asks a database of this host one fixed statement in a transaction that only reads, over a
 * connection of its own. A role that may do more than look is refused before the statement.
 */
export const readSql: Power<"sql"> = async (source, values, context) =>
  withTurn(context.signal, async () => {
    try {
      return await withSocket(source.socket, context.denyPaths, (path) =>
        askOnce(source, values, context, path),
      );
    } catch (error) {
      throw explain(error, source.socket, context.signal);
    }
  });

async function askOnce(
  source: SqlSource,
  values: FilledRead["values"],
  context: PowerContext,
  path: string,
): Promise<Look<"sql">> {
  const { maxRows, maxBytes } = source;
  const records: SqlRecord[] = [];
  let bytes = 0;
  let truncated = false;
  const take = (record: SqlRecord): boolean => {
    const size = Buffer.byteLength(JSON.stringify(record));
    truncated = records.length === maxRows || bytes + size > maxBytes;
    if (truncated) return false;
    bytes += size;
    records.push(record);
    return true;
  };
  const connection = {
    ...{ path, user: nameOfUser(), statementMs: statementMs(context) },
    ...{ mostBytes: maxBytes * 2 + BESIDE_BYTES, signal: context.signal },
  };
  const serverVersion = await ENGINES[source.engine](source, values, connection, take);
  return { data: { serverVersion, records }, truncated, bytes, margins: {} };
}

function statementMs({ endsAt }: PowerContext): number {
  const left = Math.floor(endsAt - performance.now() - BESIDE_MS);
  return Math.max(1, Math.min(MOST_STATEMENT_MS, left));
}

function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new SondeError("READ_FAILED", "expected the runner's user to have a name", { cause });
  }
}

/** What an error means that is not the server's own. */
function explain(error: unknown, socket: string, signal: AbortSignal): SondeError {
  if (error instanceof SondeError) return error;
  if (signal.aborted) return new SondeError("READ_TIMEOUT", `${socket} took too long to answer`);
  const said = error instanceof Error ? cutMessage(error.message, 300) : "no valid answer";
  const why = errnoOf(error) === "ECONNREFUSED" ? "no database server listens there" : said;
  return new SondeError("READ_FAILED", `${socket}: ${why}`, { cause: error });
}
