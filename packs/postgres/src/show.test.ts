import { expect, test } from "vitest";
import { showStatement } from "./show.ts";

test.each([
  [
    "SELECT * FROM t WHERE name = 'O''Brien' AND id = 42",
    "SELECT * FROM t WHERE name = ? AND id = ?",
  ],
  ["ALTER ROLE a PASSWORD E'pa\\'ss' VALID UNTIL 'x'", "ALTER ROLE a PASSWORD ? VALID UNTIL ?"],
  // Where a backslash may stand for itself or for the quote, nothing after it is shown.
  ["ALTER ROLE a PASSWORD 'pa\\'ss' VALID UNTIL 'x'", "ALTER ROLE a PASSWORD ?"],
  ["SELECT 'C:\\' , hunter FROM t WHERE x='y'", "SELECT ?"],
  ["SELECT 1 -- don't\n, 'hunter2', 3", "SELECT ? , ?, ?"],
  ["/* hunter2 /* of */ mine */ SELECT a /* cut", "SELECT a"],
  ['SELECT "it\'s", \'pw\', "a b"', 'SELECT ?, ?, "a b"'],
  ["SELECT 'a secret that the server cut", "SELECT ?"],
  ["SELECT $$a 'secret'$$, $tag$ of $$ mine $tag$ FROM t1", "SELECT ?, ? FROM t1"],
  ["SELECT $tag$ a secret that the server cut", "SELECT ?"],
  ["UPDATE t2 SET a = $1, b = -1.5e3 WHERE c = $2", "UPDATE t2 SET a = $1, b = -? WHERE c = $2"],
  ["SELECT\n  1,\n\t2", "SELECT ?, ?"],
  ["", ""],
])("%s is shown without its values", (query, shown) => {
  expect(showStatement(query)).toBe(shown);
});

test("a long statement is cut", () => {
  expect(showStatement(`SELECT ${"a, ".repeat(400)}`)).toHaveLength(303);
});
