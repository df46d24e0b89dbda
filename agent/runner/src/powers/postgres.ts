import type { SqlSource } from "@sonde/schemas/manifest";
import { SondeError } from "@sonde/schemas/errors";
import { renderPostgresQuestion } from "@sonde/sources";
import { cutMessage } from "./cut-text.ts";
import { ROLE_QUESTION, describeRightRole, requireModestRole } from "./postgres-role.ts";
import { type PostgresSession, openPostgres } from "./postgres-session.ts";
import { errnoOf } from "./read-failure.ts";
import { type AskEngine, serverFailure } from "./sql-engine.ts";

export const askPostgres: AskEngine = async (source, values, connection, take) => {
  const question = renderPostgresQuestion(source, values);
  try {
    await using session = await openPostgres(connection, question.database);
    await session.ask("BEGIN READ ONLY");
    const [role] = await session.ask(ROLE_QUESTION);
    requireModestRole(role);
    const schemas = new Map<string, string>();
    for (const extension of question.extensions) {
      schemas.set(extension, await findSchema(session, extension));
    }
    const text = question.textIn((extension) => schemas.get(extension) ?? "pg_catalog");
    for await (const record of session.askLargely(text, question.parameters)) {
      if (!take(record)) break;
    }
    return Number(role?.["version"]);
  } catch (error) {
    throw explain(error, source, connection.user);
  }
};

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

/** What the codes of PostgreSQL mean for who asked (its manual, appendix A). */
function explain(error: unknown, source: SqlSource, user: string): unknown {
  const said = error instanceof Error ? cutMessage(error.message, 300) : "";
  const fail = (code: Parameters<typeof serverFailure>[0], why: string) =>
    serverFailure(code, source, why, error);
  switch (errnoOf(error) ?? "") {
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
    default:
      return error;
  }
}
