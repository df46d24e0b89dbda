import type { SqlSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkSource } from "../check-source.ts";
import { classifySource, explainLevel } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { checkHole } from "../check-hole.ts";
import { listItems } from "../items.ts";
import { verdict } from "../testing/verdict.ts";
import { renderMysqlQuestion } from "../mysql-question.ts";
import { renderPostgresQuestion } from "../postgres-question.ts";

const SOCKET = "/var/run/postgresql/.s.PGSQL.5432";
const source = (statement: SqlSource["statement"], more: Partial<SqlSource> = {}): SqlSource => ({
  ...{ kind: "sql", engine: "postgres", socket: SOCKET, database: "postgres", statement },
  ...{ maxRows: 10, timeoutMs: 1000, maxBytes: 4096 },
  ...more,
});
const check = (statement: SqlSource["statement"], more: Partial<SqlSource> = {}) =>
  verdict(() => checkSource("it", source(statement, more)));
const levelOf = (statement: string) => classifySource(source(statement));

const asked = source(
  ["SELECT pid FROM pg_stat_activity WHERE pid > ", { hole: "least" }, " LIMIT 5"],
  {
    database: { hole: "base" },
    holes: { least: { type: "integer", minimum: 0, maximum: 9 }, base: { type: "database-name" } },
  },
);

test("a person grants one statement to one database, or to one of a caller's choice", () => {
  expect(listItems(deriveRequires({ it: source("SELECT datname FROM pg_database") }))).toEqual([
    `socket ${SOCKET} SQL postgres SELECT datname FROM pg_database`,
  ]);
  expect(listItems(deriveRequires({ it: asked }))).toEqual([
    `socket ${SOCKET} SQL <database-name> SELECT pid FROM pg_stat_activity WHERE pid > <0..9> LIMIT 5`,
  ]);
  expect(describeRead(asked)).toBe(
    `postgres <base> over unix:${SOCKET}: SELECT pid FROM pg_stat_activity WHERE pid > <least> LIMIT 5`,
  );
  expect(classifySource(asked)).toBe("observe");
  expect(verdict(() => checkSource("it", asked))).toBe("accepted");
});

// Attack 50.
test("a hole is bound, and what fills it is not in the statement", () => {
  const question = renderPostgresQuestion(asked, { least: "7", base: "shop" });
  expect(question).toMatchObject({ database: "shop", parameters: ["7"], extensions: [] });
  const text =
    "SELECT pid FROM pg_stat_activity WHERE pid > CAST(CAST($1 AS text) AS bigint) LIMIT 5";
  expect(question.textIn(() => "")).toBe(text);
  expect(question.textIn(() => "")).toBe(text);
});

test("a relation of an extension is named with the schema where the extension has it", () => {
  const statement =
    "SELECT s.calls FROM pg_stat_statements AS s WHERE 'pg_stat_statements' = 'a''b'";
  const question = renderPostgresQuestion(source(statement), {});
  expect(question.extensions).toEqual(["pg_stat_statements"]);
  expect(question.textIn(() => '"x y"')).toBe(
    `SELECT s . calls FROM "x y".pg_stat_statements AS s WHERE 'pg_stat_statements' = 'a''b'`,
  );
});

// Attack 52.
const REFUSED: [string, SqlSource["statement"]][] = [
  ["another statement", "SELECT 1; DROP TABLE t"],
  ["something else than a question", "DELETE FROM t"],
  ["a question in small letters", "select 1"],
  ["another beginning", "FROM pg_class"],
  ["a name for a beginning", "pid"],
  ["writing beside reading", "WITH a AS (DELETE FROM t RETURNING b) SELECT 1"],
  ["writing in small letters", "WITH a AS (delete from t) SELECT 1"],
  ["a new table", "SELECT 1 INTO t"],
  ["a new table in small letters", "SELECT 1 into t"],
  ["a file of the server", "SELECT 1 INTO OUTFILE '/etc/x'"],
  ["locks", "SELECT a FROM t FOR UPDATE"],
  ["a line comment", "SELECT 1 -- x"],
  ["a comment", "SELECT 1 /* x */"],
  ["a comment of MySQL", "SELECT 1 # x"],
  ["a comment that MySQL executes", "SELECT 1 /*!50000 x */"],
  ["quotes of names", 'SELECT 1 FROM "t"'],
  ["quotes of names of MySQL", "SELECT 1 FROM `t`"],
  ["quotes with a tag", "SELECT $$a$$"],
  ["a parameter of its own", "SELECT $1"],
  ["a backslash", "SELECT 'a\\' OR 1'"],
  ["a string with escapes", "SELECT E'a'"],
  ["a cast by a type's name", "SELECT date'2020-01-01'"],
  ["an open string", "SELECT 'a"],
  ["a string around a hole", ["SELECT '", { hole: "least" }, "'"]],
  ["a line end", "SELECT 1\nFROM t"],
  ["a letter beyond ASCII", "SELECT \u212aey"],
  ["a word of mixed letters", "SELECT Pg_Sleep(1)"],
  ["a recursion", "WITH RECURSIVE a AS (SELECT 1) SELECT 1"],
  ["a procedure", "CALL x()"],
  ["a number with an exponent", "SELECT 1e9"],
  ["an operator of somebody's own", "SELECT 1 <<<>>> 2"],
];
test.each(REFUSED)("no statement has %s", (_, statement) => {
  const holes = { least: { type: "integer", minimum: 0, maximum: 9 } } as const;
  const used = Array.isArray(statement) ? { holes } : {};
  expect(check(statement, used)).toBe("MANIFEST_INVALID");
});

test("no hole stands for a text, a path or a name of a statement", () => {
  const verdictOf = (hole: NonNullable<SqlSource["holes"]>[string]) =>
    check(["SELECT relname FROM ", { hole: "it" }], { holes: { it: hole } });
  expect(verdictOf({ type: "text", maxLength: 9 })).toBe("MANIFEST_INVALID");
  expect(verdictOf({ type: "path-beneath", root: "/srv" })).toBe("MANIFEST_INVALID");
  expect(verdictOf({ type: "hostname" })).toBe("MANIFEST_INVALID");
  expect(verdictOf({ type: "integer", minimum: 0, maximum: 1, optional: true })).toBe(
    "MANIFEST_INVALID",
  );
  // In the place of a table it is a parameter all the same, which the server refuses.
  const holes: SqlSource["holes"] = { it: { type: "enum", values: ["pg_authid"] } };
  const inPlace = source(["SELECT relname FROM ", { hole: "it" }], { holes });
  expect(renderPostgresQuestion(inPlace, { it: "pg_authid" }).textIn(() => "")).not.toContain(
    "pg_authid",
  );
});

test("a statement stands in a manifest as it is sent, in as few parts as it can", () => {
  expect(check(["SELECT ", "1"])).toBe("MANIFEST_INVALID");
  expect(check(["SELECT 1 -", "- 2"])).toBe("MANIFEST_INVALID");
});

test("a statement is no longer than what a person reads, and its socket is one that packs may use", () => {
  const long = `SELECT ${"1 + ".repeat(340)}1`;
  expect(check(long)).toBe("accepted");
  const it = { hole: "it" };
  const holes: SqlSource["holes"] = { it: { type: "integer", minimum: 0, maximum: 1 } };
  expect(check([`${long} + `, it], { holes })).toBe("accepted");
  expect(check([`${long} + `, it, " + 1".repeat(9)], { holes })).toBe("MANIFEST_INVALID");
  expect(check("SELECT 1", { socket: "/run/sonde/agent.sock" })).toBe("MANIFEST_INVALID");
  expect(check("SELECT 1", { socket: "/run/../x" })).toBe("MANIFEST_INVALID");
  expect(check("SELECT 1", { database: { hole: "it" }, holes: { it: { type: "hostname" } } })).toBe(
    "MANIFEST_INVALID",
  );
});

test("the name of a database is a name", () => {
  const of = (value: string) => verdict(() => checkHole({ type: "database-name" }, value, "it"));
  for (const name of ["shop", "Shop_2", "a-b$c", "_x"]) expect(of(name)).toBe("accepted");
  const long = "a".repeat(64);
  for (const name of ["", "-x", "a b", "a\0b", "a'b", "dbname=x host=y", "a=b", "1a", long]) {
    expect(of(name)).toBe("PARAMS_INVALID");
  }
});

test("what only looks is told by a table of relations, columns, functions and types", () => {
  const observed = [
    "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active'",
    "SELECT to_jsonb(s) AS row FROM pg_stat_wal AS s",
    "SELECT to_jsonb(f) ->> 'size' AS bytes FROM pg_ls_waldir() AS f",
    "WITH a AS (SELECT pid, unnest(pg_blocking_pids(pid)) AS by_pid FROM pg_stat_activity) SELECT by_pid FROM a",
    "SELECT c.relname, age(c.relfrozenxid)::text AS age_of FROM pg_class AS c ORDER BY age_of DESC LIMIT 5",
    "SELECT calls FROM pg_stat_statements",
    "SELECT datname FROM pg_database WHERE datname IN ('a', 'b') AND NOT datistemplate",
  ];
  expect(observed.map((statement) => [statement, explainLevel(source(statement))])).toEqual(
    observed.map((statement) => [statement, null]),
  );
});

// Attack 52.
const ACTS: [string, string][] = [
  ["ends a session", "SELECT pg_terminate_backend(pid) AS x FROM pg_stat_activity"],
  [
    "ends sessions as if by a column",
    "SELECT pid.pg_terminate_backend FROM pg_stat_activity AS pid",
  ],
  [
    "reads a relation of somebody's schema by a name that it gave itself",
    "SELECT s.state AS public, to_jsonb(q) AS q FROM pg_stat_activity AS s, public.query AS q",
  ],
  [
    "joins such a relation",
    "SELECT s.state AS public FROM pg_stat_activity AS s LEFT JOIN public.query AS q ON TRUE",
  ],
  [
    "has such a relation in parentheses",
    "SELECT s.state AS public FROM pg_stat_activity AS s, (public.query AS q CROSS JOIN pg_class AS c)",
  ],
  [
    "has such a relation in a question within",
    "SELECT count(*) AS public FROM pg_class AS c WHERE EXISTS (SELECT query FROM public.query)",
  ],
  ["acts by a name that it gave itself", "SELECT 1 AS pg_sleep, g.pg_sleep FROM pg_class AS g"],
  [
    "acts by a name of its own after a point",
    "SELECT 1 AS lo_unlink, g.lo_unlink FROM pg_class AS g",
  ],
  ["reads a file", "SELECT pg_read_file('/etc/passwd')"],
  ["lists a folder of its choice", "SELECT pg_ls_dir('/etc')"],
  ["makes a large object of a file", "SELECT lo_import('/etc/passwd')"],
  ["connects elsewhere", "SELECT dblink('host=x', 'SELECT 1')"],
  ["sets", "SELECT set_config('a', 'b', FALSE)"],
  ["takes a lock", "SELECT pg_advisory_lock(1)"],
  ["counts up", "SELECT nextval('s')"],
  ["notifies", "SELECT pg_notify('a', 'b')"],
  ["calls a function of a schema", "SELECT public.count(pid) FROM pg_stat_activity"],
  ["calls one by a name that it gave", "SELECT 1 AS shop, shop.lower(datname) FROM pg_database"],
  ["reads a table of a user", "SELECT a FROM shop.orders"],
  ["reads passwords", "SELECT rolname FROM pg_authid"],
  ["reads values of tables", "SELECT most_common_vals FROM pg_stats"],
  ["reads under a name that it gave itself", "SELECT 1 AS pg_shadow FROM pg_shadow"],
  ["converts to a type of a user", "SELECT pid::secret FROM pg_stat_activity"],
  ["sleeps", "SELECT pg_sleep(1)"],
  ["takes a column of a relation that it does not name", "SELECT setting FROM pg_class"],
];
test.each(ACTS)("a statement that %s is above observe", (_, statement) => {
  expect(check(statement)).toBe("accepted");
  expect(levelOf(statement)).toBe("manage");
  expect(explainLevel(source(statement))).toMatch(/is manage; it (names|gives the name) /);
});

const ofMysql = (statement: SqlSource["statement"], more: Partial<SqlSource> = {}): SqlSource =>
  source(statement, {
    ...{ engine: "mysql", socket: "/run/mysqld/mysqld.sock", database: "information_schema" },
    ...more,
  });
const PROCESSES = "information_schema.processlist";

// Attack 50.
test("mysql: a hole is bound, and a call has no blank before its parenthesis", () => {
  const holes: SqlSource["holes"] = {
    least: { type: "integer", minimum: 0, maximum: 9 },
    word: { type: "enum", values: ["a", "b"] },
    yes: { type: "boolean" },
  };
  const parts = [
    "SELECT count ( * ) AS n , p . id FROM information_schema . processlist AS p WHERE id > ",
    { hole: "least" },
    " AND (state = ",
    { hole: "word" },
    " OR ",
    { hole: "yes" },
    ")",
  ];
  const values = { least: "7", word: "b", yes: "true" };
  const mine = ofMysql(parts, { holes });
  expect(verdict(() => checkSource("it", mine))).toBe("accepted");
  expect(renderMysqlQuestion(mine, values)).toEqual({
    database: "information_schema",
    text: "SELECT count( * ) AS n , p.id FROM information_schema.processlist AS p WHERE id > CAST(? AS SIGNED) AND ( state = ? OR (? = 'true') )",
    parameters: ["7", "b", "true"],
  });
  const show = renderMysqlQuestion(ofMysql("SHOW REPLICA STATUS"), {});
  expect(show.text).toBe("SHOW REPLICA STATUS");
});

test("mysql: what only looks is told by a table of relations and columns, and a list of statements", () => {
  const observed = [
    `SELECT count(*) AS n FROM ${PROCESSES} WHERE command <> 'Sleep'`,
    `SELECT p.id, user, substr(info, 1, 100) AS query FROM ${PROCESSES} AS p ORDER BY time DESC LIMIT 5`,
    "SELECT r.trx_id FROM information_schema.innodb_trx AS r JOIN information_schema.innodb_lock_waits AS w ON r.trx_id = w.requesting_trx_id",
    `SELECT n * 2 AS m FROM (SELECT count(*) AS n FROM ${PROCESSES}) AS c`,
    "SELECT CASE WHEN 1 = 1 THEN 2 ELSE 3 END AS a",
    "SHOW REPLICA STATUS",
    "SHOW ALL REPLICAS STATUS",
    "SHOW BINARY LOGS",
  ];
  expect(observed.map((statement) => [statement, explainLevel(ofMysql(statement))])).toEqual(
    observed.map((statement) => [statement, null]),
  );
});

// Attack 52.
test.each<[string, SqlSource["statement"]]>([
  ["a comment that is executed", "SELECT 1 /*!50000 INTO OUTFILE '/x' */"],
  ["a comment", "SELECT 1 # x"],
  ["another comment", "SELECT 1 -- x"],
  ["a text in double quotes", 'SELECT "a"'],
  ["a name in its quotes", "SELECT `a`"],
  ["a backslash", "SELECT 'a\\' OR 1"],
  ["a variable", "SELECT @a"],
  ["an assignment", "SELECT @a := 1"],
  ["a variable of the server", "SELECT @@datadir"],
  ["a file", "SELECT 1 INTO OUTFILE '/tmp/x'"],
  ["a file in small letters", "SELECT 1 into outfile '/tmp/x'"],
  ["a file of one value", "SELECT 1 AS a INTO DUMPFILE '/tmp/x'"],
  ["locks", "SELECT 1 FOR UPDATE"],
  ["other locks", "SELECT 1 LOCK IN SHARE MODE"],
  ["a question with a name of its own", "WITH a AS (SELECT 1) SELECT 1"],
  ["that in small letters", "SELECT 1 AS a FROM (with t AS (SELECT 1) SELECT 1) AS b"],
  ["a value of a sequence", "SELECT NEXT VALUE FOR s"],
  ["an introducer", "SELECT _utf8'a'"],
  ["another number", "SELECT x'41'"],
  ["a concatenation that is an OR elsewhere", "SELECT 'a' || 'b'"],
  ["an END without its CASE", "SELECT END AS a"],
  ["a call of END", "SELECT CASE WHEN END(1) THEN 1 END AS a"],
  ["a procedure", "CALL p()"],
  ["a handler", "HANDLER t OPEN"],
  ["a table", "TABLE t"],
  ["settings", "SET GLOBAL read_only = 0"],
  ["more than the list has of SHOW", "SHOW GRANTS"],
  ["a filter of SHOW", "SHOW REPLICA STATUS LIKE 'a'"],
  ["InnoDB's report, which has values", "SHOW ENGINE INNODB STATUS"],
  ["SHOW in parts", ["SHOW REPLICA STATUS"]],
])("mysql: no statement has %s", (_, statement) => {
  expect(verdict(() => checkSource("it", ofMysql(statement)))).toBe("MANIFEST_INVALID");
});

// Attack 52.
test.each<[string, string]>([
  ["sleeps", "SELECT sleep(1) AS a"],
  ["burns", "SELECT benchmark(1, 1) AS a"],
  ["takes a lock", "SELECT get_lock('a', 1) AS a"],
  ["reads a file", "SELECT load_file('/etc/passwd') AS a"],
  ["counts up", "SELECT nextval(s) AS a"],
  ["calls a user's function", "SELECT shop.count(1) AS a"],
  ["calls by a name that it gave", "SELECT 1 AS sleep, sleep(1) AS a"],
  ["reads a user's table", "SELECT id FROM shop.orders"],
  ["reads a table of the default database", "SELECT 1 AS orders, id FROM orders"],
  ["reads one beside another", `SELECT 1 AS orders FROM ${PROCESSES} AS p, orders`],
  ["joins one", `SELECT 1 AS orders FROM ${PROCESSES} AS p JOIN orders ON 1 = 1`],
  ["has one in parentheses", `SELECT 1 AS orders FROM (${PROCESSES} AS p CROSS JOIN orders)`],
  ["has one in a question within", "SELECT 1 AS o FROM (SELECT 1 AS o FROM o) AS p"],
  ["reads a server's relation without its schema", "SELECT id FROM processlist"],
  ["reads passwords", "SELECT user FROM mysql.user"],
  ["resets what it reads", "SELECT page_size FROM information_schema.innodb_cmp_reset"],
  ["reads all columns", "SELECT * FROM information_schema.innodb_locks"],
  ["reads all columns of one", "SELECT 1, l.* FROM information_schema.innodb_locks AS l"],
  ["reads a key of a row", "SELECT lock_data FROM information_schema.innodb_locks"],
  [
    "reads whole statements of before",
    "SELECT query_sample_text FROM performance_schema.events_statements_summary_by_digest",
  ],
  ["takes a column of a relation that it does not name", `SELECT trx_id FROM ${PROCESSES}`],
])("mysql: a statement that %s is above observe", (_, statement) => {
  const mine = ofMysql(statement);
  expect(verdict(() => checkSource("it", mine))).toBe("accepted");
  expect(classifySource(mine)).toBe("manage");
  expect(explainLevel(mine)).toMatch(/is manage; it names /);
});
