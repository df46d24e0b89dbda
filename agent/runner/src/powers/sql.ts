import { userInfo } from "node:os";
import type { SqlSource } from "@sonde/schemas/manifest";
import { SondeError } from "@sonde/schemas/errors";
import { type PostgresQuestion, renderPostgresQuestion } from "@sonde/sources";
import { cutMessage } from "./cut-text.ts";
import { withSocket } from "./open-path.ts";
import { ROLE_QUESTION, describeRightRole, requireModestRole } from "./postgres-role.ts";
import { type PostgresSession, openPostgres } from "./postgres-session.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { errnoOf } from "./read-failure.ts";
import { createTurns } from "./turns.ts";

/** The most that one statement takes, in ms. */
const MOST_STATEMENT_MS = 2000;
/** Of a read's time for connecting, the role and the answer. */
const BESIDE_MS = 300;
/** Taken from the server beside the rows, and beyond the row that did not fit. */
const BESIDE_BYTES = 1_048_576;
/** Connections of this process at once: a server has few, and its users need them. */
const MOST_CONNECTIONS = 2;

const withTurn = createTurns(MOST_CONNECTIONS);

/**
 * Asks a database of this host one fixed statement in a transaction that only reads, over a
 * connection of its own. A role that may do more than look is refused before the statement.
 */
export const readSql: Power<"sql"> = async (source, values, context) => {
  const question = renderPostgresQuestion(source, values);
  return withTurn(context.signal, async () => {
    const user = nameOfUser();
    try {
      return await withSocket(source.socket, context.denyPaths, async (path) => {
        await using session = await openPostgres({
          ...{ path, user, database: question.database },
          statementMs: statementMs(context),
          mostBytes: source.maxBytes * 2 + BESIDE_BYTES,
          signal: context.signal,
        });
        return await askOnce(session, question, source);
      });
    } catch (error) {
      throw explain(error, source.socket, user, context.signal);
    }
  });
};

async function askOnce(
  session: PostgresSession,
  question: PostgresQuestion,
  { maxRows, maxBytes }: SqlSource,
): Promise<Look<"sql">> {
  await session.ask("BEGIN READ ONLY");
  const [role] = await session.ask(ROLE_QUESTION);
  requireModestRole(role);
  const schemas = new Map<string, string>();
  for (const extension of question.extensions) {
    schemas.set(extension, await findSchema(session, extension));
  }
  const text = question.textIn((extension) => schemas.get(extension) ?? "pg_catalog");
  const records: Record<string, string | null>[] = [];
  let bytes = 0;
  let truncated = false;
  for await (const record of session.askLargely(text, question.parameters)) {
    const size = Buffer.byteLength(JSON.stringify(record));
    truncated = records.length === maxRows || bytes + size > maxBytes;
    if (truncated) break;
    bytes += size;
    records.push(record);
  }
  const serverVersion = Number(role?.["version"]);
  return { data: { serverVersion, records }, truncated, bytes, margins: {} };
}

/** The schema in which an extension has its relation of the same name, quoted. */
async function findSchema(session: PostgresSession, extension: string): Promise<string> {
  const [found] = await session.ask(
    `SELECT quote_ident(n.nspname) AS schema, quote_ident(session_user) AS role,
       has_schema_privilege(n.oid, 'USAGE') AS usable FROM pg_extension e
     JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
     JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relname = e.extname
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE e.extname = $1`,
    [extension],
  );
  const schema = found?.["schema"];
  if (typeof schema === "string" && found?.["usable"] === "t") return schema;
  if (typeof schema === "string") {
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the extension ${extension} is in a schema that the role may not use; run as a superuser in SQL: GRANT USAGE ON SCHEMA ${schema} TO ${found?.["role"]};`,
    );
  }
  throw new SondeError(
    "SOURCE_NOT_FOUND",
    `this database has no extension ${extension}; run as a superuser in SQL: CREATE EXTENSION ${extension}; the server has to load it by shared_preload_libraries`,
  );
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

/** What the codes of PostgreSQL mean for who asked (its manual, appendix A). */
function explain(error: unknown, socket: string, user: string, signal: AbortSignal): SondeError {
  if (error instanceof SondeError) return error;
  if (signal.aborted) return new SondeError("READ_TIMEOUT", `${socket} took too long to answer`);
  const code = errnoOf(error) ?? "";
  const said = error instanceof Error ? cutMessage(error.message, 300) : "no valid answer";
  const fail = (
    as: "PERMISSION_NEEDED" | "SOURCE_NOT_FOUND" | "READ_TIMEOUT" | "READ_FAILED",
    why: string,
  ) => new SondeError(as, `${socket}: ${why}`, { cause: error });
  switch (code) {
    case "28000":
    case "28P01":
      return fail("PERMISSION_NEEDED", `${said}; ${describeRightRole(user)}`);
    case "42501":
      return fail(
        "PERMISSION_NEEDED",
        `${said}; run as a superuser in SQL: GRANT pg_monitor TO "${user}";`,
      );
    case "3D000":
      return fail("SOURCE_NOT_FOUND", said);
    case "42P01":
    case "42703":
    case "42883":
      return fail("SOURCE_NOT_FOUND", `this release of the server has less: ${said}`);
    case "57014":
      return fail("READ_TIMEOUT", said);
    case "55P03":
      return fail("READ_TIMEOUT", "a lock that the statement needs is held by another session");
    case "53300":
      return fail("READ_FAILED", `all connections of the server are taken: ${said}`);
    case "ECONNREFUSED":
      return fail("READ_FAILED", "no database server listens there");
    default:
      return fail("READ_FAILED", said);
  }
}
