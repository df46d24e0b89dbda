import { expect, test } from "vitest";
import { clientOf, showStatement } from "./show.ts";

test.each([
  [
    "SELECT * FROM t WHERE name = 'O''Brien' AND id = 42",
    "SELECT * FROM t WHERE name = ? AND id = ?",
  ],
  ["SELECT \"it's\", 'pw' FROM `a b`", "SELECT ?, ? FROM `a b`"],
  ["SELECT 'a' 'b', \"x\"\"y\"", "SELECT ? ?, ?"],
  // Where a backslash may stand for itself or for the quote, nothing after it is shown.
  ["SET PASSWORD = 'pa\\'ss', b = 'x'", "SET PASSWORD = ?"],
  ['SET PASSWORD = "pa\\"ss", hunter2', "SET PASSWORD = ?"],
  ["SELECT 'C:\\' , hunter FROM t WHERE x='y'", "SELECT ?"],
  ["SELECT _utf8'pa\\'ss', hunter2", "SELECT ?"],
  ["SELECT 1 -- don't\n, 'hunter2', 3", "SELECT ? , ?, ?"],
  ["SELECT 1 # don't\n, 'hunter2'", "SELECT ? , ?"],
  ["SELECT a --b, 'x'", "SELECT a --b, ?"],
  ["/* hunter2 */ SELECT a /*!50000 , 'x' */ FROM t /* cut", "SELECT a FROM t"],
  ["SELECT 'a secret that the server cut", "SELECT ?"],
  ['SELECT "a secret that the server cut', "SELECT ?"],
  ["SELECT 0xDEADBEEF, x'41', b'1', _utf8'a', N'b', 1.5e-3", "SELECT ?, ?, ?, ?, ?, ?-?"],
  ["UPDATE t2 SET a1 = ? WHERE c = -7", "UPDATE t2 SET a1 = ? WHERE c = -?"],
  ["SELECT\n  1,\n\t2", "SELECT ?, ?"],
  ["", ""],
])("%s is shown without its values", (query, shown) => {
  expect(showStatement(query)).toBe(shown);
});

test("a long statement is cut", () => {
  expect(showStatement(`SELECT ${"a, ".repeat(400)}`)).toHaveLength(303);
});

test("a client is shown by its address alone", () => {
  expect(["localhost", "", "10.0.0.1:4711", "fe80::1:4711", "db.example"].map(clientOf)).toEqual([
    ...[null, null, "10.0.0.1", "fe80::1", "db.example"],
  ]);
});
