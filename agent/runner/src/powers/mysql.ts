import type { SqlSource } from "@sonde/schemas/manifest";
import { SondeError } from "@sonde/schemas/errors";
import { renderMysqlQuestion } from "@sonde/sources";
import { cutMessage } from "./cut-text.ts";
import {
  describeRightAccount,
  quoteAccount,
  renderRights,
  requireModestAccount,
  sessionSettings,
  settingsQuestion,
} from "./mysql-role.ts";
import { type MysqlServer, type MysqlSession, openMysql } from "./mysql-session.ts";
import { type AskEngine, serverFailure, settingsLost } from "./sql-engine.ts";

/** MariaDB and MySQL. */
export const askMysql: AskEngine = async (source, values, connection, take) => {
  const { database, text, parameters } = renderMysqlQuestion(source, values);
  let server: MysqlServer | null = null;
  try {
    await using session = await openMysql(connection, database, (found) => (server = found));
    await prepare(session, connection.user, connection.statementMs);
    for await (const record of session.askLargely(text, parameters)) {
      if (!take(record)) break;
    }
    return session.server.version;
  } catch (error) {
    throw explain(error, source, connection.user, server);
  }
};

/** Takes from the session what it may do beside looking, and refuses an account that may do more. */
async function prepare(session: MysqlSession, user: string, statementMs: number): Promise<void> {
  const { server } = session;
  const ask = (text: string) => session.ask(text);
  for (const setting of sessionSettings(server, statementMs)) await ask(setting);
  const [found] = await ask(settingsQuestion(server));
  if (found?.["holds"] !== "1") throw settingsLost();
  const role = quoteAccount(found);
  // An account without a name lets in whom no other does.
  if (!(found["role"] ?? "").startsWith(`${user}@`)) {
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the server takes the runner for ${role}; ${describeRightAccount(user, server)}`,
    );
  }
  const grants = await ask("SHOW GRANTS");
  requireModestAccount(
    role,
    grants.flatMap((record) => Object.values(record)).map((line) => line ?? ""),
    server,
  );
}

/** What the numbers of MariaDB and MySQL mean for who asked (their references of errors). */
function explain(
  error: unknown,
  source: SqlSource,
  user: string,
  server: MysqlServer | null,
): unknown {
  if (!(error instanceof Error) || !("errno" in error) || server === null) return error;
  const said = cutMessage(error.message, 300);
  const fail = (code: Parameters<typeof serverFailure>[0], why: string) =>
    serverFailure(code, source, why, error);
  switch (error.errno) {
    case 1045:
    case 1251:
    case 1698:
      return fail("PERMISSION_NEEDED", `${said}; ${describeRightAccount(user, server)}`);
    case 1044:
    case 1142:
    case 1143:
    case 1227:
    case 1370: {
      const right = renderRights(`'${user}'@'localhost'`, server);
      return fail("PERMISSION_NEEDED", `${said}; run as root in SQL: ${right}`);
    }
    case 1049:
      return fail("SOURCE_NOT_FOUND", said);
    case 1054:
    case 1064:
    case 1109:
    case 1146:
    case 1305:
    case 1381:
      return fail("SOURCE_NOT_FOUND", `this server has less: ${said}`);
    case 1317:
    case 1969:
    case 3024:
      return fail("READ_TIMEOUT", said);
    case 1205:
      return fail("READ_TIMEOUT", "a lock that the statement needs is held by another session");
    case 1040:
    case 1203:
    case 1226:
      return fail("READ_FAILED", `all connections of the server are taken: ${said}`);
    default:
      return error;
  }
}
