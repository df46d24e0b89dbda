import { SondeError } from "@sonde/schemas/errors";
import { type SqlRecord, settingsLost } from "./sql-engine.ts";

/**
 * The rights that a role may have beside its own name. None of them writes, signals a process or
 * reads a file of a person's choice. `pg_use_reserved_connections` lets it look when all other
 * connections are taken.
 */
const HARMLESS_ROLES = [
  ...["pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"],
  "pg_use_reserved_connections",
];

const asList = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(", ");

/**
 * Asks what this session's role may do, and which settings hold for it. Memberships count however
 * they were given: a role that does not inherit a right can take it by SET ROLE. `pg_shdepend` has
 * every role that owns a thing of any database, or is named in its rights.
 */
export const ROLE_QUESTION = `
WITH RECURSIVE me AS (
  SELECT oid, rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
  FROM pg_catalog.pg_roles WHERE rolname = session_user
), above AS (
  SELECT roleid, member FROM pg_catalog.pg_auth_members WHERE member = (SELECT oid FROM me)
  UNION
  SELECT m.roleid, m.member FROM pg_catalog.pg_auth_members m JOIN above ON m.member = above.roleid
), tied AS (
  SELECT d.* FROM pg_catalog.pg_shdepend d
  WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = (SELECT oid FROM me)
)
SELECT
  me.rolname AS role,
  concat_ws(', ',
    CASE WHEN me.rolsuper THEN 'SUPERUSER' END,
    CASE WHEN me.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN me.rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN me.rolreplication THEN 'REPLICATION' END,
    CASE WHEN me.rolbypassrls THEN 'BYPASSRLS' END,
    CASE WHEN session_user <> current_user THEN 'SET role' END) AS attributes,
  (SELECT string_agg(DISTINCT r.rolname, ', ') FROM above
    JOIN pg_catalog.pg_roles r ON r.oid = above.roleid
    WHERE r.rolname NOT IN (${asList(HARMLESS_ROLES)})) AS memberships,
  (SELECT string_agg(format('REVOKE %I FROM %I;', r.rolname, m.rolname), ' ') FROM above
    JOIN pg_catalog.pg_roles r ON r.oid = above.roleid
    JOIN pg_catalog.pg_roles m ON m.oid = above.member
    WHERE r.rolname NOT IN (${asList(HARMLESS_ROLES)})
    AND (m.oid = me.oid OR m.rolname IN (${asList(HARMLESS_ROLES)}))) AS revoke,
  (SELECT string_agg(DISTINCT coalesce(b.datname, 'all'), ', ') FROM tied
    LEFT JOIN pg_catalog.pg_database b ON b.oid = tied.dbid WHERE deptype = 'o') AS owned_in,
  (SELECT string_agg(DISTINCT tied.classid::regclass::text, ', ') FROM tied
    WHERE tied.deptype = 'a' AND tied.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database
      WHERE datname = current_database()))
    AND NOT EXISTS (SELECT FROM (
      SELECT 'pg_catalog.pg_database'::regclass AS classid, oid, datacl AS acl,
        ARRAY['CONNECT'] AS fine FROM pg_catalog.pg_database
      UNION ALL SELECT 'pg_catalog.pg_namespace'::regclass, oid, nspacl, ARRAY['USAGE']
        FROM pg_catalog.pg_namespace
      UNION ALL SELECT 'pg_catalog.pg_class'::regclass, c.oid, c.relacl
          || (SELECT array_agg(item) FROM pg_catalog.pg_attribute a, unnest(a.attacl) item
            WHERE a.attrelid = c.oid), ARRAY['SELECT']
        FROM pg_catalog.pg_class c
        WHERE c.oid IN (SELECT objid FROM tied)
      ) known
      WHERE known.classid = tied.classid AND known.oid = tied.objid AND NOT EXISTS (
        SELECT FROM pg_catalog.aclexplode(known.acl) entry
        WHERE entry.grantee = me.oid AND NOT entry.privilege_type = ANY (known.fine)))) AS rights,
  pg_catalog.pg_has_role(session_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
  pg_catalog.current_setting('transaction_read_only') AS read_only,
  pg_catalog.current_setting('statement_timeout') <> '0' AS is_timed,
  pg_catalog.current_setting('lock_timeout') <> '0' AS is_lock_timed,
  pg_catalog.current_setting('search_path') AS search_path,
  pg_catalog.current_setting('server_version_num') AS version
FROM me`;

/** Functions and relations of the server itself, before any of a user's. */
export const SEARCH_PATH = "pg_catalog, pg_temp";

/**
 * Refuses a role that may do more than look, one that would be shown only a part, and a session in
 * which the settings do not hold, as behind a pooler.
 *
 * @throws SondeError PERMISSION_NEEDED with the statements that make a right role
 */
export function requireModestRole(answer: SqlRecord | undefined): void {
  if (answer === undefined) throw refused("it has no row in pg_roles", "", "");
  const role = quoteName(answer["role"] ?? "");
  const { attributes, memberships, owned_in: ownedIn, rights } = answer;
  if (attributes !== "") {
    const without = (attributes ?? "").split(", ").map((one) => `NO${one}`);
    const undo =
      attributes === "SET role"
        ? `ALTER ROLE ${role} RESET role;`
        : `ALTER ROLE ${role} ${without.filter((one) => !one.includes(" ")).join(" ")};`;
    throw refused(`it has ${attributes}`, role, undo);
  }
  if (memberships !== null) {
    throw refused(`it is a member of ${memberships}`, role, readRevokes(answer["revoke"] ?? ""));
  }
  if (ownedIn !== null) {
    const undo = `REASSIGN OWNED BY ${role} TO CURRENT_USER;`;
    throw refused(`it owns something in the database ${ownedIn}`, role, undo);
  }
  if (rights !== null) {
    const undo = `DROP OWNED BY ${role}; GRANT pg_monitor TO ${role};`;
    throw refused(
      `it has rights of its own that do more than look, on entries of ${rights}`,
      role,
      undo,
    );
  }
  if (answer["sees_all"] !== "t") {
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the role ${role} is shown only its own sessions; run as a superuser in SQL: ALTER ROLE ${role} INHERIT; GRANT pg_monitor TO ${role};`,
    );
  }
  const holds =
    answer["read_only"] === "on" &&
    answer["is_timed"] === "t" &&
    answer["is_lock_timed"] === "t" &&
    answer["search_path"] === SEARCH_PATH;
  if (!holds) throw settingsLost();
}

/** The server's own words become advice to a superuser only where they take a right away. */
function readRevokes(text: string): string {
  const name = '(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")';
  const isFine = new RegExp(`^REVOKE ${name} FROM ${name};( REVOKE ${name} FROM ${name};)*$`);
  return isFine.test(text) ? text : "REVOKE every role but pg_monitor from it;";
}

function refused(why: string, role: string, undo: string): SondeError {
  return new SondeError(
    "PERMISSION_NEEDED",
    `the role ${role} may do more than look: ${why}; nothing was asked. Run as a superuser in SQL: ${undo}`,
  );
}

/** Says how to make the role of this process's user. */
export function describeRightRole(user: string): string {
  const role = quoteName(user);
  return `run as a superuser in SQL: CREATE ROLE ${role} LOGIN CONNECTION LIMIT 4; GRANT pg_monitor TO ${role};`;
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
