import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { buildRedactions, scrub, type ScrubRun } from "./scrub.ts";

const startRun = (): ScrubRun => ({ deadline: Infinity, now: () => 0, counts: new Map() });
const clean = (value: unknown) => scrub(value, startRun());
const letters = (count: number) => randomBytes(count).toString("hex").slice(0, count);

const pem = generateKeyPairSync("ed25519").privateKey.export({
  format: "pem",
  type: "pkcs8",
}) as string;
const jwtPart = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = `${jwtPart({ alg: "HS256", typ: "JWT" })}.${jwtPart({ sub: "1" })}.${letters(43)}`;

/** [kind of marker, text with the secret, the secret] */
const planted: [string, string, string][] = [
  ["private-key", `key:\n${pem}`, pem.slice(30, 80)],
  ["private-key", pem.slice(0, 90), pem.slice(30, 80)],
  ["jwt", `token ${jwt} end`, jwt],
  ["url-credentials", "postgres://app:s3cret@db:5432/x", "s3cret"],
  ["url-credentials", "redis://:s3cr@et@cache", "s3cr@et"],
  ["url-credentials", "https://0123456789abcdef0123@sentry.io/1", "0123456789abcdef0123"],
  ["url-credentials", "//ada:hunter2@nas/share", "hunter2"],
  ["url-credentials", "//corp;ada:hunt@er2@[fe80::1]/a b", "hunt@er2"],
  ["url-credentials", "curlftpfs#ftp://ada:hunter2@files/", "hunter2"],
  ["authorization", "Authorization: Basic dXNlcjpwdw==", "dXNlcjpwdw=="],
  ["authorization", '"authorization":"Bearer abc"', "abc"],
  ["cookie", "Set-Cookie: sid=abc123; Path=/", "abc123"],
  ["bearer", "with bearer abcdefghijklmnop123", "abcdefghijklmnop123"],
  ["password", "DB_PASSWORD=hunter2\nX=1", "hunter2"],
  ["password", "export DB_PASSWORD='hun ter2'", "hun ter2"],
  ["password", "mysql --password=hunter2 -h db", "hunter2"],
  ["password", "mysql\0--password\0hunter2\0-h", "hunter2"],
  ["password", "curl -u admin:hunter2 http://x", "hunter2"],
  ["password", "Server=db;Uid=a;Pwd=hunter2;", "hunter2"],
  ["password", '{\\"password\\":\\"hunter2\\"}', "hunter2"],
  ["password", 'level=info password="hun\\"ter2" x', "ter2"],
  ["password", "DB_PASSWORD=a,b;c&d e", "c&d e"],
  ["password", "X=1\nexport DB_PASSWORD=a,b;c&d\nY=2", "c&d"],
  ["password", '["DB_PASSWORD=a,b;c&d', "c&d"],
  ["password", "password={abc", "{abc"],
  ["password", "password: true-love", "true-love"],
  ["token", "vault token: abc-def", "abc-def"],
  ["secret", "client_secret => abc", "abc"],
  ["key", "AWS_SECRET_ACCESS_KEY=abc/def+1", "abc/def+1"],
  ["key", "x-api-key: 12345", "12345"],
  ["key", "apiKey: 12345", "12345"],
  ["connection-string", 'connectionString="Server=x y"', "Server=x y"],
  ["authorization", "//registry.example/:_auth=YWJj", "YWJj"],
  ["aws-key", "id AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"],
  ["github-token", `ghp_${"a1".repeat(18)}`, "a1a1"],
  ["github-token", `github_pat_${"a1".repeat(18)}`, "a1a1"],
  ["gitlab-token", `glpat-${"a1".repeat(10)}`, "a1a1"],
  ["slack-token", "xoxb-123456789012-abcdef", "123456789012"],
  ["google-key", `AIza${"b".repeat(35)}`, "bbbb"],
  ["stripe-key", ["sk", "live", "c".repeat(24)].join("_"), "cccc"],
  ["ai-key", `sk-ant-${"d".repeat(40)}`, "dddd"],
  ["npm-token", `npm_${"e".repeat(36)}`, "eeee"],
  ["pypi-token", `pypi-AgE${"f".repeat(60)}`, "ffff"],
  ["sendgrid-key", `SG.${"g".repeat(22)}.${"h".repeat(43)}`, "gggg"],
  ["vault-token", `hvs.${"i".repeat(24)}`, "iiii"],
  ["docker-token", `dckr_pat_${"j".repeat(27)}`, "jjjj"],
  ["digitalocean-token", `dop_v1_${"a".repeat(64)}`, "aaaa"],
  ["age-key", `AGE-SECRET-KEY-1${"Q".repeat(58)}`, "QQQQ"],
  ["password-hash", "root:$6$salt$abcdefgh/123:19000", "abcdefgh"],
  ["sonde-key", `sonde_ak_${"k".repeat(43)}`, "kkkk"],
  ["sonde-key", `sonde_pt_${"k".repeat(43)}`, "kkkk"],
  ["sonde-key", `sonde_et_${"l".repeat(43)}.${"0".repeat(64)}`, "llll"],
  ["google-key", `refresh 1//0${"m".repeat(40)}`, "mmmm"],
  ["private-key", `Private-Lines: 1\n${"n".repeat(40)}`, "nnnn"],
  ["token", "next=%2Fcb%3Faccess_token%3Dabcdef", "abcdef"],
  ["password", "&lt;password&gt;hunter2&lt;/password&gt;", "hunter2"],
  ["password", "the initial password is hunter2", "hunter2"],
  ["password", "mysql -uroot -phunter2 shop", "hunter2"],
  ["password", "machine h login a password hunter account x", "hunter"],
  ["password", "user bob password abcdefghij-12", "abcdefghij-12"],
  ["password", "stats auth admin:hunter2", "hunter2"],
];

// Attack 53.
test.each(planted)("%s in %j is replaced wherever the string is", (kind, text, secret) => {
  const places = [
    text,
    { a: [{ b: text }] },
    { [text]: 1 },
    { log: `before\n${text}\nafter` },
    { body: JSON.stringify({ deep: [text] }) },
  ];
  for (const place of places) {
    const run = startRun();
    const result = JSON.stringify(scrub(place, run));
    expect(result).not.toContain(JSON.stringify(secret).slice(1, -1));
    expect(result).toContain(`[redacted:${kind}]`);
    expect(buildRedactions(run).rules).toHaveProperty([kind]);
  }
});

test("a member is replaced by its name, whatever its value looks like", () => {
  expect(
    clean({
      POSTGRES_PASSWORD: "x",
      nested: { "stripe-secret": { a: ["y", 7, true, null] }, accessToken: 12345 },
      env: [{ name: "DB_PASSWORD", value: "plain" }],
      args: ["run", "--db-password", "plain", "--verbose"],
      password: "",
      passwordSet: true,
      tokenCount: 4,
      public_key: "ssh-ed25519 AAAA",
    }),
  ).toEqual({
    POSTGRES_PASSWORD: "[redacted:password]",
    nested: {
      "stripe-secret": { a: ["[redacted:secret]", "[redacted:secret]", true, null] },
      accessToken: "[redacted:token]",
    },
    env: [{ name: "DB_PASSWORD", value: "[redacted:password]" }],
    args: ["run", "--db-password", "[redacted:password]", "--verbose"],
    password: "",
    passwordSet: true,
    tokenCount: 4,
    public_key: "ssh-ed25519 AAAA",
  });
});

test.each([
  "//nas/share",
  "//ada@nas/share",
  "//nas:445/a@b/c",
  "https://example.com//a:b@c/d",
  "//registry.example/:x@y/z",
  "//svg:g[@id='a']/b",
  "tank/a:b@today",
  "10.0.0.1:6789,10.0.0.2:6789:/a@b",
])("what a mount or a path is called stays: %s", (device) => {
  expect(clean({ device })).toEqual({ device });
});

test("a member's value that is none stays", () => {
  const innocent = {
    tokens: 4,
    pass: 12,
    pwd: "/root",
    auth: { user: "app-7", enabled: true },
    auths: { "registry.example": {} },
    cookies: 3,
    token: "none",
    apiKey: "${API_KEY}",
    kty: "OKP",
    x: "public",
  };
  expect(clean(innocent)).toEqual(innocent);
});

test("members that are secrets by a word, in the plural, or by their neighbour", () => {
  const secrets = {
    pass: "x1",
    pwd: "x1",
    cookie: "x1",
    auth: "x1=",
    auths: { r: { auth: "x1=" } },
    tokens: ["x1", "x2"],
    privateKeys: { a: "x1" },
    jwk: { kty: "OKP", d: "x1", x: "public" },
  };
  const text = JSON.stringify(clean(secrets));
  expect(text).not.toMatch(/x[12]/);
  expect(text).toContain("public");
});

test("a private key in a list of lines is replaced, also without its first or last lines", () => {
  const lines = pem.trim().split("\n");
  const wide = [lines[0], "A".repeat(64), "B".repeat(20), lines.at(-1)];
  for (const part of [wide, wide.slice(1), wide.slice(0, -1)]) {
    const text = JSON.stringify(clean(["before this", ...part, "after that"]));
    expect(text).not.toMatch(/AAAA|BBBB/);
    expect(text).toContain("before this");
    expect(text).toContain("after that");
  }
});

test("JSON text stays JSON, also when it is one object per line", () => {
  const body = JSON.stringify({ Env: ["A_TOKEN=x,y", "B=1"], password: 'a"b', n: 2 });
  expect(JSON.parse(clean(body) as string)).toEqual({
    Env: ["A_TOKEN=[redacted:token]", "B=1"],
    password: "[redacted:password]",
    n: 2,
  });
  const lines = `{"token": 12345, "a": 1}\n{"MESSAGE":"secret=\\"x y\\" z"}\n`;
  const parsed = (clean(lines) as string)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(parsed).toEqual([
    { token: "[redacted:token]", a: 1 },
    { MESSAGE: 'secret="[redacted:secret]" z' },
  ]);
});

test("a member hidden by a later one of the same name is not returned", () => {
  const hidden = [
    `{"password":"hunter2","password":""}`,
    `{"password":{"a":"hunter2"},"password":null}`,
    `[{"env":{"x":"\\"","DB_PASSWORD":"hunter2"},"env":{}}]`,
    `{"a":"hunter2","\\u0061":1}`,
  ];
  for (const text of hidden) expect(clean(text)).not.toContain("hunter2");
  // Only a text with duplicate names may be rewritten. No digit of a number may change.
  const whole = `{ "n": 12345678901234567890, "a:\\"": ["b:", {}, {"n": 1}] }`;
  expect(clean(whole)).toBe(whole);
});

test("of an encoded address only the secret is replaced", () => {
  expect(clean("next=%2Fcb%3Faccess_token%3Dabcdef")).toBe(
    "next=%2Fcb%3Faccess_token%3D[redacted:token]",
  );
});

test("a second pass changes and counts nothing", () => {
  const once = clean(planted.map(([, text]) => text));
  const run = startRun();
  expect(scrub(once, run)).toEqual(once);
  expect(buildRedactions(run)).toEqual({ count: 0, rules: {} });
  expect(clean("x [redacted:password]=abc123")).toBe("x [redacted:password]=abc123");
});

test("attack 55: identifiers and ordinary words survive", () => {
  const harmless: string[] = [];
  for (let index = 0; index < 2000; index += 1) {
    const bytes = randomBytes(32);
    harmless.push(bytes.subarray(0, 20).toString("hex"), randomUUID());
    harmless.push(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
    harmless.push(bytes.toString("hex").slice(0, 12));
  }
  const texts = [
    "PWD=/root",
    "docker run -u 1000:1000 x",
    "http://localhost:8080/path?x=1",
    "monkey=1 bypass=2 tokens=3 key=4",
    "password authentication failed for user app",
    "the default method of a password sha512",
    "git@github.com:a/b.git",
    "/etc/ssl/private/key.pem 2026-01-01T00:00:00.000Z",
  ];
  expect(clean(harmless)).toEqual(harmless);
  expect(clean(texts)).toEqual(texts);
});

test("names that become the same marker stay two members, and __proto__ stays data", () => {
  expect(clean({ "A_KEY=1": 1, "A_KEY=2": 2 })).toEqual({
    "A_KEY=[redacted:key]": 1,
    "A_KEY=[redacted:key]#2": 2,
  });
  const polluted: unknown = JSON.parse('{"__proto__":{"x":"DB_TOKEN=1"}}');
  expect(JSON.stringify(clean(polluted))).toBe('{"__proto__":{"x":"DB_TOKEN=[redacted:token]"}}');
});

test("a value that takes too long or is too deep is not returned", () => {
  const late: ScrubRun = { deadline: 10, now: () => 11, counts: new Map() };
  expect(() => scrub({ a: "text" }, late)).toThrowError(
    expect.objectContaining({ code: "SCRUB_FAILED" }),
  );
  let deep: unknown = "x";
  for (let level = 0; level < 80; level += 1) deep = [deep];
  expect(() => clean(deep)).toThrowError(expect.objectContaining({ code: "SCRUB_FAILED" }));
  expect(() => clean({ password: deep })).toThrowError(
    expect.objectContaining({ code: "SCRUB_FAILED" }),
  );
});
