import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditPage } from "@sonde/schemas/audit";
import type { ErrorBody } from "@sonde/schemas/errors";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry, signUpload } from "../../registry/src/testing/test-registry.ts";
import { runProgram } from "../product/run-program.ts";

// The commands `sonde registry ...`: the program as a person starts it, against a running registry.

const ISSUER = "https://issuer.example";
const ISO = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
let registry: TestRegistry;
let acme: SampleKey;
let keyFile: string;
let owner: string;

beforeAll(async () => {
  const issuers = [{ kind: "generic", issuer: ISSUER, jwksUri: "http://127.0.0.1:1/keys" }];
  registry = await TestRegistry.start({
    trustedPublishing: { audience: "https://registry.example", issuers },
  });
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  keyFile = join(registry.root, "acme.pub");
  writeFileSync(keyFile, acme.publicKeyPem);
  for (const version of ["1.0.0", "1.1.0"]) {
    const archive = buildSampleArchive({ manifest: { version } });
    const upload = signUpload(archive, `acme/hello/${version}`, acme, owner);
    expect((await registry.publish(upload)).status).toBe(201);
  }
});
afterAll(() => registry?.close());

/** `sonde registry ...`, with this registry's operator socket for operator commands. */
const run = (...words: string[]) => runProgram("sonde", ["registry", ...words]);
const socket = () => ["--socket", join(registry.dataDir, "run/operator.sock")];
const order = (...words: string[]) => run(...words, ...socket());
/** Its output for a person, after success. */
async function say(...words: string[]): Promise<string> {
  const { code, out, err } = await order(...words);
  expect([code, err]).toEqual([0, ""]);
  return out.trimEnd();
}
/** Its output for a program: one line of JSON. */
async function tell<T>(...words: string[]): Promise<T> {
  const out = await say(...words, "--json");
  expect(out).not.toContain("\n");
  return JSON.parse(out) as T;
}
const lines = (...patterns: string[]): RegExp => new RegExp(`^${patterns.join("\n")}$`);
const DIGEST = "sha256:[0-9a-f]{64}";
const TOKEN = "sonde_pt_[A-Za-z0-9_-]{43}";

test("the help names every command, and each command its arguments", async () => {
  const { code, out } = await run("--help");
  expect(code).toBe(0);
  for (const command of ["publisher", "quarantine", "resolve", "audit", "audit-log"]) {
    expect(out).toMatch(new RegExp(`^  ${command} `, "m"));
  }
  const publisher = (await run("publisher", "--help")).out;
  const usages = [
    ...["publisher add <name>", "publisher list", "publisher tokens <name>"],
    ...["publisher revoke-token <name> <id>", "publisher revoke-key <name> <key-id>"],
    ...[
      "publisher trust <name>",
      "publisher revoke-identity <name>",
      "quarantine <pack> <version>",
      "audit-log",
    ],
  ];
  const named = [...publisher.matchAll(/^ {2}([a-z-]+) \[options\]/gm)].map(([, name]) => name);
  const expected = usages.slice(0, 7).map((usage) => usage.split(" ")[1]);
  expect(named.toSorted()).toEqual(expected.toSorted());
  await Promise.all(
    usages.map(async (usage) => {
      const words = usage.split(" ").filter((word) => !word.startsWith("<"));
      const help = await run(...words, "--help");
      expect([help.code, help.out]).toEqual([0, expect.stringContaining("--socket <path>")]);
      const [command = "", ...args] = usage.replace(/^publisher /, "").split(" ");
      expect(help.out).toContain([command, "[options]", ...args].join(" "));
    }),
  );
});

test("publisher add shows the key's fingerprint, and the token once", async () => {
  expect(await say("publisher", "add", "globex", "--key", keyFile)).toMatch(
    lines(
      `globex may publish archives signed by ${DIGEST}.`,
      `Its token, shown only once: ${TOKEN}`,
      `The token expires at ${ISO}.`,
    ),
  );
  expect(await tell("publisher", "add", "globex", "--key", keyFile)).toEqual({
    name: "globex",
    keyId: expect.stringMatching(`^${DIGEST}$`),
    token: expect.stringMatching(`^${TOKEN}$`),
    expiresAt: expect.stringMatching(`^${ISO}$`),
  });
});

test("publisher add writes the token to a new file, and never to an existing one", async () => {
  const file = join(registry.root, "globex.token");
  const add = ["publisher", "add", "globex", "--key", keyFile, "--token-file", file];
  expect(await say(...add)).toMatch(
    lines(
      `globex may publish archives signed by ${DIGEST}.`,
      `Its token is in ${file}.`,
      `The token expires at ${ISO}.`,
    ),
  );
  const kept = readFileSync(file, "utf8");
  expect(kept).toMatch(new RegExp(`^${TOKEN}\n$`));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const tokens = async () =>
    (await tell<{ tokens: object[] }>("publisher", "tokens", "globex")).tokens.length;
  const before = await tokens();
  expect(await refusalOf(...add)).toBe("BAD_REQUEST");
  expect([readFileSync(file, "utf8"), await tokens()]).toEqual([kept, before]);
  // A refused publisher leaves no empty token file.
  const other = join(registry.root, "none.token");
  const refused = ["publisher", "add", "sonde", "--key", keyFile, "--token-file", other];
  expect(await refusalOf(...refused)).toBe("NAME_REFUSED");
  expect(() => statSync(other)).toThrow("ENOENT");
});

test("publisher add accepts an exact identity in place of a key", async () => {
  const identity = ["--issuer", ISSUER, "--identity", "https://example.com/robot"];
  const said = await say("publisher", "add", "robot", ...identity, "--repository-id", "7");
  expect(said).toContain(
    `robot may publish archives signed by https://example.com/robot of ${ISSUER}.\n`,
  );
  expect(await tell("publisher", "add", "robot", ...identity)).toMatchObject({
    publisher: "robot",
    issuer: ISSUER,
    identity: "https://example.com/robot",
  });
});

test("publisher list and tokens name everything but secrets; revoke-token ends one", async () => {
  const list = await say("publisher", "list");
  expect(list).toMatch(new RegExp(`^acme  1 live tokens\n  key ${DIGEST}$`, "m"));
  const { publishers } = await tell<{ publishers: object[] }>("publisher", "list");
  expect(publishers).toContainEqual(expect.objectContaining({ name: "acme", liveTokens: 1 }));

  const { tokens } = await tell<{ tokens: { id: string }[] }>("publisher", "tokens", "acme");
  const [{ id } = { id: "" }] = tokens;
  expect(await say("publisher", "tokens", "acme")).toMatch(
    lines(
      `${id}  owner  made with the publisher`,
      `  publish, yank, deprecate, advisory, tokens for every pack, until ${ISO}, made by operator`,
    ),
  );
  expect(JSON.stringify(tokens)).not.toContain(owner.slice("sonde_pt_".length));
  expect(await say("publisher", "revoke-token", "acme", id)).toMatch(
    new RegExp(`every pack, revoked ${ISO}, made by operator$`),
  );
  expect(await tell("publisher", "revoke-token", "acme", id)).toMatchObject({
    id,
    revokedAt: expect.stringMatching(`^${ISO}$`),
  });
  const yank = "/api/v1/packs/acme/hello/1.0.0/yank";
  const answer = await registry.send("PUT", yank, owner, { yanked: true, reason: "x" });
  expect(answer.status).toBe(401);
});

test("publisher trust says whose jobs may publish what", async () => {
  const identity = ["--issuer", ISSUER, "--identity", '{"kind":"generic","sub":"robot"}'];
  expect(await say("publisher", "trust", "acme", ...identity)).toMatch(
    lines(`[0-9a-f-]{36}: jobs of ${ISSUER} with exactly this identity may publish packs of acme.`),
  );
  const one = ["publisher", "trust", "acme", ...identity, "--pack", "acme/hello"];
  expect(await say(...one)).toContain("may publish acme/hello.");
  expect(await tell(...one)).toMatchObject({
    publisher: "acme",
    pack: "acme/hello",
    identity: { kind: "generic", sub: "robot" },
  });
});

test("quarantine stops a version, and releases it; resolve sees both", async () => {
  const resolve = async () => {
    const { code, out } = await run("resolve", registry.at(""), "acme/hello@^1");
    expect(code).toBe(0);
    return out;
  };
  expect(await resolve()).toMatch(
    new RegExp(`^acme/hello@\\^1 is acme/hello 1.1.0, for agents .+\\.\n  ${DIGEST}\n$`),
  );
  const words = ["quarantine", "acme/hello", "1.1.0", "--reason", "reads too much"];
  expect(await say(...words)).toBe("acme/hello 1.1.0 is quarantined.");
  expect(await tell(...words)).toMatchObject({
    versions: [{ version: "1.1.0", state: { quarantined: "reads too much" } }],
  });
  expect(await resolve()).toContain("is acme/hello 1.0.0,");
  const { out } = await run("resolve", registry.at(""), "acme/hello@1.1.0", "--json");
  expect((JSON.parse(out) as ErrorBody).error.code).toBe("PACK_QUARANTINED");
  expect(await say(...words, "--release")).toBe("acme/hello 1.1.0 is served again.");
  expect(await resolve()).toContain("is acme/hello 1.1.0,");
});

test("revoke-key says what it does not revoke", async () => {
  const { publishers } = await tell<{ publishers: { name: string; keyIds: string[] }[] }>(
    ...["publisher", "list"],
  );
  const keyId = publishers.find(({ name }) => name === "globex")?.keyIds[0] ?? "";
  expect(await say("publisher", "revoke-key", "globex", keyId)).toBe(
    `Signatures of globex by ${keyId} are refused from now on.\n` +
      "Agents use their own trust.json: remove the key there too.",
  );
  await say("publisher", "add", "globex", "--key", keyFile);
  const again = await tell("publisher", "revoke-key", "globex", keyId);
  expect(again).toEqual({ name: "globex", keyId });
});

test("revoke-identity says what it does not revoke, and list shows the identities", async () => {
  const identity = ["--issuer", ISSUER, "--identity", "https://example.com/gone"];
  await say("publisher", "add", "robot", ...identity, "--repository-id", "9");
  const shown = `https://example.com/gone of ${ISSUER}, repository 9`;
  expect(await say("publisher", "list")).toContain(`\n  identity ${shown}`);
  const revoke = ["publisher", "revoke-identity", "robot", ...identity];
  expect(await refusalOf(...revoke)).toBe("NOT_FOUND");
  expect(await say(...revoke, "--repository-id", "9")).toBe(
    `Signatures of robot by ${shown} are refused from now on.\n` +
      "Agents use their own trust.json: remove the identity there too.",
  );
  expect(await say("publisher", "list")).not.toContain(shown);
  await say("publisher", "add", "robot", ...identity);
  expect(await tell(...revoke)).toEqual({
    ...{ name: "robot", issuer: ISSUER, identity: "https://example.com/gone" },
  });
});

/** The code of the refusal, which must be the same for a program and for a person. */
async function refusalOf(...words: string[]): Promise<string> {
  const { code, out, err } = await order(...words, "--json");
  const { error } = JSON.parse(out) as ErrorBody;
  expect([code, err]).toEqual([1, `${error.code}: ${error.message}\n  ${error.hint}\n`]);
  return error.code;
}

const QUARANTINE = ["quarantine", "acme/hello", "1.1.0"];
const ADD = ["publisher", "add", "robot"];
test.concurrent.each<[string, string[], string]>([
  ["half an identity", [...ADD, "--issuer", ISSUER], "BAD_REQUEST"],
  ["a key and an identity", [...ADD, "--issuer", ISSUER, "--key", "x"], "BAD_REQUEST"],
  ["nobody", ADD, "BAD_REQUEST"],
  ["no such key file", [...ADD, "--key", "/nowhere"], "NOT_FOUND"],
  ["a name that is none", ["publisher", "tokens", "../x"], "BAD_REQUEST"],
  ["an unknown publisher", ["publisher", "tokens", "none"], "PUBLISHER_UNKNOWN"],
  ["an id that is none", ["publisher", "revoke-token", "acme", "x"], "BAD_REQUEST"],
  [
    "a key it has not",
    ["publisher", "revoke-key", "acme", `sha256:${"0".repeat(64)}`],
    "NOT_FOUND",
  ],
  [
    "an issuer it has not",
    [
      "publisher",
      "trust",
      "acme",
      "--issuer",
      "https://x",
      "--identity",
      '{"kind":"generic","sub":"x"}',
    ],
    "BAD_REQUEST",
  ],
  [
    "an identity that is no JSON",
    ["publisher", "trust", "acme", "--issuer", ISSUER, "--identity", "x"],
    "BAD_REQUEST",
  ],
  ["no such version", ["quarantine", "acme/hello", "9.9.9", "--reason", "x"], "NOT_FOUND"],
  ["a pack that is none", ["quarantine", "acme/../../x", "1.0.0", "--reason", "x"], "NOT_FOUND"],
  ["an empty reason", [...QUARANTINE, "--reason", ""], "BAD_REQUEST"],
])("%s is refused", async (_what, words, code) => {
  expect(await refusalOf(...words)).toBe(code);
});

test("wrong usage and an unreachable registry are reported with exit code 1", async () => {
  for (const [words, said] of [
    [QUARANTINE, "required option '--reason <text>'"],
    [["publisher", "add"], "missing required argument 'name'"],
    [["publisher", "list", "--other"], "unknown option '--other'"],
    [["publisher", "trust", "acme", "--issuer", ISSUER], "required option '--identity <json>'"],
  ] as const) {
    const { code, err } = await order(...words);
    expect([code, err]).toEqual([1, expect.stringContaining(said)]);
  }
  const gone = await run("publisher", "list", "--socket", "/nowhere.sock");
  expect([gone.code, gone.out]).toEqual([1, ""]);
  expect(gone.err).toMatch(/^REGISTRY_UNAVAILABLE: .+\n {2}.+\n$/);
  const noneAt = await run("resolve", "http://127.0.0.1:1", "acme/hello@^1");
  expect([noneAt.code, noneAt.err.split(":")[0]]).toEqual([1, "REGISTRY_UNAVAILABLE"]);
  const noSpec = await run("resolve", registry.at(""), "acme/hello@");
  expect([noSpec.code, noSpec.err.split(":")[0]]).toEqual([1, "BAD_REQUEST"]);
});

test("audit-log verifies and prints who changed rights, and refuses a log that was changed", async () => {
  const { entries, head } = await tell<AuditPage>("audit-log");
  expect(head.size).toBe(entries.length);
  expect(entries[0]?.record).toMatchObject({
    ...{ event: "publisher.added", principal: "operator", detail: { publisher: "acme" } },
  });
  const text = await say("audit-log");
  expect(text).toMatch(new RegExp(`^1  ${ISO}  publisher.added by operator\n  publisher acme\n`));
  expect(text.split("\n").at(-1)).toBe(`${head.size} entries, verified. Head: ${head.hash}`);
  await registry.inDatabase(
    (sql) => sql`update audit_log set record = replace(record, 'acme', 'other') where seq = 1`,
  );
  const { code, err } = await order("audit-log");
  expect([code, err]).toEqual([1, expect.stringContaining("AUDIT_UNAVAILABLE")]);
  await registry.inDatabase(
    (sql) => sql`update audit_log set record = replace(record, 'other', 'acme') where seq = 1`,
  );
  // The end is cut off.
  await registry.inDatabase((sql) => sql`delete from audit_log where seq = ${head.size}`);
  expect((await order("audit-log")).code).toBe(1);
});
