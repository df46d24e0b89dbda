import { expect, test } from "vitest";
import { isPlainKey, isPlainValue } from "./plain-values.ts";
import { scrub } from "./scrub.ts";
import { createChars } from "./testing/chars.ts";

const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

test("no drawn value has the form of a plain one", () => {
  const { hex, lower, mixed, base64, url, sym, digits } = createChars(11);
  const drawn = Array.from({ length: 500 }, (_, index) => [
    ...[hex, lower, mixed, base64, url, sym].map((draw) => draw(12 + (index % 40))),
    [8, 4, 4, 4, 12].map(hex).join("-"),
    `SK-${digits(6)}-${lower(8)}`,
  ]).flat();
  const plain = (value: string) =>
    isPlainValue(value) ||
    isPlainKey("api_key", "key", value) ||
    isPlainKey("token", "token", value);
  expect(drawn.filter(plain)).toEqual([]);
});

// A word of a closed list may stand in a token's place. In a password's place it may be the password.
test.each([
  ["password: vault", "vault"],
  ["secret: local", "local"],
  ["DB_PASSWORD=internal", "internal"],
  ["password: correct horse battery staple", "horse"],
  ["password: my dog barks at the cat", "dog"],
  ["client_secret: open sesame", "open"],
  ["pass: sesame", "sesame"],
  ['password: "cat on a hot tin roof"', "roof"],
  ['password: "no more tears"', "tears"],
  ["login with password: monkey for user alice", "monkey"],
  ["password: 1987-03-04", "1987"],
  ["token: abcdef", "abcdef"],
  ["api_key: letmein", "letmein"],
  ["password: hunter2;", "hunter2"],
  ["password: (hunter2)", "hunter2"],
  ["password: <hunter2>", "hunter2"],
  ["db_pass: hunter2.", "hunter2"],
  ["password: 20250304", "20250304"],
  ["api_key: ${API_KEY:-abc123}", "abc123"],
  ["mysql -p'$ecret1' shop", "$ecret1"],
])("attack 53: what a person may have chosen is replaced: %s", (text, secret) => {
  expect(clean(text)).not.toContain(secret);
});
