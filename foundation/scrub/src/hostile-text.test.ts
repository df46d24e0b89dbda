import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";

const clean = (text: string) =>
  scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() });

test("hostile text costs time in proportion to its length", () => {
  const seeds = [
    "eyJ",
    "eyJaaaaaaaa.",
    "eyJaaaaaaaa-",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "://a:",
    "://aaaaaaaaaaaaaaaaaaaa",
    "--password",
    "password \n",
    "_key",
    'password="',
    'password:\\"',
    "authorization: ",
    "-u a",
    "github_pat_",
    "SG.aaaaaaaaaaaaaaaaaaaa",
    "\\",
    "-",
    "A",
    "_key=",
    "token:",
    "<token>",
    "<token ",
    "name=token ",
    "%3D",
    "token%3D",
    "token\n  ",
    "\na1_secret ",
    "token: |\n",
    "token: |\n ",
    "token:\n- ",
    "password: a ",
    "authorization: a a=b,",
    "-----END PRIVATE KEY-----",
    "a\n-----END PRIVATE KEY-----",
    "A=\n",
    "\\n",
    "PRIVATE KEY",
    ":1:a:a:",
    "a:1:",
    "sk-",
    "secret_",
    "password is ",
    "password for ",
    "api key ",
    ":1",
    ":aA1!",
    "echo a",
    "isql -a ",
    "htpasswd -b ",
    "createUser ",
    "kinit <<< ",
    "user/aaaa@",
    "-p a",
    "-pA1",
    'x("token",',
    '"token" {',
    "passwords:\n  - a\n  - b",
    '<string name="token">',
    "${TOKEN:?",
    "token: a.a",
    "token: a b ",
    "password: a is ",
    "token: (a ",
    "token: ENC[",
    "key: 1.1.",
    "key: a-a.",
    "<D>",
    "<D>A",
    "//hook./a/",
    "ST-1-a",
    "redis-cli ",
    "curl -b ",
    "connect user a using ",
    "sqlplus -s ",
    "--from-literal=a",
    "--key aA1",
    "seed phrase abc ",
    ": PSK ",
    ": RSA a ",
    "session: id=",
    "pass=echo ",
    "pam_a(",
    "{{resolve:",
    "{ ",
    "[ ",
    "cGFz",
    "cGFz\n",
    `${"cGFz".repeat(16)}\n`,
    "eyJh ",
    "70",
    "6g70617373",
    "%20",
    "a%20 ",
    "%",
    "\\/",
    "\\x20",
    "a\\/ ",
    "\\u0020a",
    `${"a".repeat(255)}\\/ `,
    `${"a".repeat(255)}%20/`,
  ];
  for (const seed of seeds) {
    const text = seed.repeat(Math.ceil(1_000_000 / seed.length));
    const before = process.cpuUsage();
    clean(text);
    const { user, system } = process.cpuUsage(before);
    // CPU time in microseconds. The slowest takes 0.2 s; quadratic time would take minutes.
    expect(user + system).toBeLessThan(3_000_000);
  }
});

test.each([
  ["empty lines", "\n"],
  ["escaped line breaks", "\\n"],
  ["lines of Base64", `${"A".repeat(64)}\n`],
])("a key's end behind a megabyte of %s costs less than a second of CPU", (_what, part) => {
  const text = `${part.repeat(Math.ceil(1_000_000 / part.length))}-----END PRIVATE KEY-----`;
  const before = process.cpuUsage();
  expect(clean(text)).toBe("[redacted:private-key]");
  const { user, system } = process.cpuUsage(before);
  // A search from the beginning of each part took up to 4 s, and the agent did nothing else meanwhile.
  expect(user + system).toBeLessThan(1_000_000);
});
