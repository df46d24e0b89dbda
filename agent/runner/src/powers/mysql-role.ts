import { SondeError } from "@sonde/schemas/errors";
import type { MysqlServer } from "./mysql-session.ts";
import type { SqlRecord } from "./sql-engine.ts";

/** Rights of the whole server that show, and do nothing. */
const HARMLESS = [
  ...["USAGE", "PROCESS", "SHOW DATABASES", "REPLICATION CLIENT"],
  ...["BINLOG MONITOR", "SLAVE MONITOR", "REPLICA MONITOR"],
];

/** The schema of the server's own counters. Its name may be written as the pattern that it is. */
const COUNTERS = ["`performance_schema`.*", "`performance\\_schema`.*"];

const NAME = "`(?:[^`]|``)*`";
const ACCOUNT = `(?:${NAME}(?:@${NAME})?|PUBLIC)`;
const RIGHT = `[A-Z_]+(?: [A-Z_]+)*(?: \\(${NAME}(?:, ${NAME})*\\))?`;
const RIGHTS = `${RIGHT}(?:, ?${RIGHT})*`;
const THING = `(?:PROCEDURE |FUNCTION |PACKAGE |PACKAGE BODY )?(?:\\*|${NAME})\\.(?:\\*|${NAME})|${ACCOUNT}`;
const END = "(?: IDENTIFIED .*?)?(?: REQUIRE .*?)?(?<also> WITH .*)?$";
/** `GRANT SELECT, INSERT (\`a\`) ON \`shop\`.\`t\` TO \`who\`@\`localhost\` WITH GRANT OPTION`. */
const GRANT = new RegExp(
  `^GRANT (?<rights>${RIGHTS}) ON (?<thing>${THING}) TO (?<who>${ACCOUNT})${END}`,
);
const ROLES = new RegExp(
  `^GRANT (?<roles>${ACCOUNT}(?:, ?${ACCOUNT})*) TO (?<who>${ACCOUNT})${END}`,
);
const DEFAULT_ROLE = /^SET DEFAULT ROLE /;

/**
 * What an answer to SHOW GRANTS lets do beside looking, and how it is taken away: alone, or with all
 * rights of the account where there are many. MySQL spells `ALL PRIVILEGES` as eighty rights.
 */
type Excess = { what: string; undo: string; undoAll: string };

/** More are counted, and taken away together: a message has its limit. */
const MOST_TOLD = 6;

/**
 * Refuses an account that may do more than look, and one that is shown only its own sessions.
 *
 * @param role the account by which the server took this process, as its name in SQL
 * @param grants the lines of SHOW GRANTS, which has the rights of all too (`TO PUBLIC`)
 * @throws SondeError PERMISSION_NEEDED with the statements that make a right account
 */
export function requireModestAccount(
  role: string,
  grants: readonly string[],
  server: MysqlServer,
): void {
  const excess = grants.flatMap((line) => findExcess(line, role));
  const right = renderRights(role, server);
  if (excess.length > 0) {
    const more = excess.length > MOST_TOLD ? `; and ${excess.length - MOST_TOLD} more` : "";
    const what =
      excess
        .slice(0, MOST_TOLD)
        .map((one) => one.what)
        .join("; ") + more;
    const undone = excess.map((one) => (more === "" ? one.undo : one.undoAll));
    const undo = [...new Set(undone)].join(" ");
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the account ${role} may do more than look: it has ${what}; nothing was asked. Run as root in SQL: ${undo} ${right}`,
    );
  }
  if (!grants.some(showsSessions)) {
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the account ${role} is shown only its own sessions; run as root in SQL: ${right}`,
    );
  }
}

function showsSessions(line: string): boolean {
  const { rights = "", thing } = GRANT.exec(line)?.groups ?? {};
  return thing === "*.*" && splitRights(rights).includes("PROCESS");
}

function findExcess(line: string, role: string): Excess[] {
  const granted = GRANT.exec(line)?.groups;
  if (granted !== undefined) {
    const { rights = "", thing = "", who = "", also = "" } = granted;
    const more = splitRights(rights).filter((right) => !isHarmless(right, thing));
    const taken = also.includes("GRANT OPTION") ? [...more, "GRANT OPTION"] : more;
    return taken.map((right) => {
      const undo = `REVOKE ${right} ON ${thing} FROM ${who};`;
      return { what: `${right} on ${thing}`, undo, undoAll: right === "PROXY" ? undo : all(who) };
    });
  }
  const { roles, who = "" } = ROLES.exec(line)?.groups ?? {};
  if (roles !== undefined) {
    const undo = `REVOKE ${roles} FROM ${who};`;
    return [{ what: `the rights of ${roles}`, undo, undoAll: undo }];
  }
  // One that was not granted has no effect, and one that was has a line of its own.
  if (DEFAULT_ROLE.test(line)) return [];
  const what = "a line of SHOW GRANTS that is not known here";
  return [{ what, undo: all(role), undoAll: all(role) }];
}

const all = (who: string): string => `REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${who};`;

function splitRights(rights: string): string[] {
  return rights.match(new RegExp(RIGHT, "g")) ?? [];
}

/** The rows of one table that somebody granted are nobody's secret, but for those of `mysql`. */
function isHarmless(right: string, thing: string): boolean {
  if (thing === "*.*") return HARMLESS.includes(right);
  if (right === "USAGE") return true;
  const isTable = new RegExp(`^(?!\`mysql\`)${NAME}\\.${NAME}$`, "i").test(thing);
  return /^SELECT(?: \(|$)/.test(right) && (COUNTERS.includes(thing) || isTable);
}

/** What the session is asked first, and the settings that have to hold for it. */
export function settingsQuestion({ isMariaDb }: MysqlServer): string {
  const readOnly = isMariaDb ? "@@session.tx_read_only" : "@@session.transaction_read_only";
  const timeout = isMariaDb ? "@@session.max_statement_time" : "@@session.max_execution_time";
  return `SELECT CURRENT_USER() AS role, ${readOnly} = 1 AND ${timeout} > 0
    AND @@session.lock_wait_timeout = 1 AND @@session.sql_mode = '' AS holds`;
}

/**
 * The settings of a session, and the beginning of its only transaction. InnoDB tells times by the clock
 * of the host, so the session does too.
 */
export function sessionSettings({ isMariaDb }: MysqlServer, statementMs: number): string[] {
  const timeout = isMariaDb
    ? `max_statement_time = ${statementMs / 1000}`
    : `max_execution_time = ${statementMs}`;
  return [
    `SET SESSION sql_mode = '', time_zone = 'SYSTEM', lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, ${timeout}`,
    "SET SESSION TRANSACTION READ ONLY",
    "START TRANSACTION READ ONLY",
  ];
}

/** `who@localhost` as CURRENT_USER gives it, as a name in SQL. */
export function quoteAccount({ role }: SqlRecord): string {
  const text = role ?? "";
  const at = text.lastIndexOf("@");
  return `${quote(text.slice(0, at))}@${quote(text.slice(at + 1))}`;
}

/** Says how to make the account of this process's user. */
export function describeRightAccount(user: string, server: MysqlServer): string {
  const account = `${quote(user)}@'localhost'`;
  const by = server.isMariaDb ? "IDENTIFIED VIA unix_socket" : "IDENTIFIED WITH auth_socket";
  return `run as root in SQL: CREATE USER ${account} ${by} WITH MAX_USER_CONNECTIONS 4; ${renderRights(account, server)}`;
}

/** The rights that an account needs. */
export function renderRights(account: string, { isMariaDb, version }: MysqlServer): string {
  // Of MariaDB 10.5 on; REPLICATION CLIENT is BINLOG MONITOR there.
  const replication =
    isMariaDb && version >= 100_500 ? "BINLOG MONITOR, SLAVE MONITOR" : "REPLICATION CLIENT";
  return `GRANT PROCESS, ${replication} ON *.* TO ${account}; GRANT SELECT ON performance_schema.* TO ${account};`;
}

function quote(name: string): string {
  return `'${name.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
