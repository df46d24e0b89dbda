import { createHash, generateKeyPairSync } from "node:crypto";
import { type GrantFile } from "@sonde/schemas/agent";
import { type AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, type ProbeManifest } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import { type ReadOutcome, type RunnerOutcome } from "@sonde/schemas/reads";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { parseResultBody, type ResultBody } from "@sonde/schemas/wire";
import { compileOwnRules, type OwnRules } from "@sonde/scrub";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { createChannel, createSigningKey } from "@sonde/trust/envelope";
import { buildSampleManifest } from "@sonde/trust/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { within } from "../edge/within.ts";
import { type ActivePack, buildActivePack } from "./active-pack.ts";
import { createAuditLog } from "./audit-log.ts";
import type { Answer, Call } from "./call.ts";
import { CallTrail } from "./call-trail.ts";
import { limitCalls } from "./limit-calls.ts";
import { type ProbePorts, runProbe } from "./run-probe.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER_DIGEST = `sha256:${"b".repeat(64)}`;
const text = { type: "string" } as const;

const manifest: Manifest = buildSampleManifest({
  sources: {
    load: { kind: "file", path: "/proc/loadavg", timeoutMs: 500, maxBytes: 4096 },
    reboot: { kind: "exec", command: "reboot", argv: [], timeoutMs: 500, maxBytes: 10 },
    secret: { kind: "file", path: "/etc/ungranted", timeoutMs: 500, maxBytes: 10 },
    names: {
      ...{
        kind: "http",
        socket: "/var/run/docker.sock",
        path: "/containers/json",
        timeoutMs: 500,
        maxBytes: 4096,
      },
    },
    one: {
      ...{ kind: "file", path: [{ hole: "name" }], timeoutMs: 500, maxBytes: 4096 },
      holes: { name: { type: "path-beneath", root: "/etc/app.d" } },
    },
    found: {
      kind: "lines",
      path: "/var/log/app",
      newest: 9,
      contains: { hole: "guess" },
      holes: { guess: { type: "text", maxLength: 50 } },
      searchBytes: 4096,
      timeoutMs: 500,
      maxBytes: 4096,
    },
  },
  requires: {
    groups: [],
    commands: ["reboot"],
    files: ["/etc/app.d/**", "/etc/ungranted", "/proc/loadavg", "/var/log/app"],
    sockets: ["/var/run/docker.sock GET /containers/json"],
  },
  probes: {
    each: {
      description: "Reads a file for each name.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: {
        type: "object",
        properties: { text },
        required: ["text"],
        additionalProperties: false,
      },
      reads: {
        names: { source: "names", optional: true },
        files: {
          source: "one",
          forEach: { read: "names", at: "body.*.name", hole: "name", atMost: 3 },
        },
      },
    },
    secrets: {
      description: "Reads a file for each password.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: {
        type: "object",
        properties: { text },
        required: ["text"],
        additionalProperties: false,
      },
      reads: {
        names: { source: "names" },
        files: {
          source: "one",
          forEach: { read: "names", at: "body.*.password", hole: "name", atMost: 3 },
        },
      },
    },
    greet: {
      description: "Says what the load is.",
      capability: "observe",
      params: {
        type: "object",
        properties: { name: { type: "string", maxLength: 20 } },
        required: [],
        additionalProperties: false,
      },
      result: {
        type: "object",
        properties: { text },
        required: ["text"],
        additionalProperties: false,
      },
      reads: { load: { source: "load" } },
    },
    maybe: {
      description: "Looks if it can.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: {
        type: "object",
        properties: { text },
        required: ["text"],
        additionalProperties: false,
      },
      reads: { load: { source: "load", optional: true } },
    },
    restart: {
      description: "Says it only looks.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: { type: "object", properties: {}, required: [], additionalProperties: false },
      reads: { now: { source: "reboot" } },
    },
    "restart-each": {
      description: "Restarts, and reads a file for each name.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: { type: "object", properties: {}, required: [], additionalProperties: false },
      reads: {
        now: { source: "reboot" },
        names: { source: "names" },
        files: {
          source: "one",
          forEach: { read: "names", at: "body.*.name", hole: "name", atMost: 3 },
        },
      },
    },
    search: {
      description: "Searches a log.",
      capability: "observe",
      params: {
        type: "object",
        properties: { guess: text },
        required: ["guess"],
        additionalProperties: false,
      },
      result: {
        type: "object",
        properties: { text },
        required: ["text"],
        additionalProperties: false,
      },
      reads: { found: { source: "found", with: { guess: { param: "guess" } } } },
    },
    beyond: {
      description: "Reads past its grant.",
      capability: "observe",
      params: { type: "object", properties: {}, required: [], additionalProperties: false },
      result: { type: "object", properties: {}, required: [], additionalProperties: false },
      reads: { it: { source: "secret" } },
    },
  },
});
const grant: GrantFile = {
  pack: "acme/hello",
  digest: DIGEST,
  requires: {
    groups: [],
    commands: ["reboot"],
    files: ["/etc/app.d/**", "/proc/loadavg", "/var/log/app"],
    sockets: ["/var/run/docker.sock GET /containers/json"],
  },
  approvedBy: "root",
  approvedAt: "2026-01-01T00:00:00.000Z",
};
const admitted: AdmittedPack = {
  name: "acme/hello",
  version: "1.0.0",
  digest: DIGEST,
  contentDigest: DIGEST,
  codeSha256: DIGEST,
  signer: { kind: "none", publisher: "acme" },
  manifest,
};

const seen = (content: string, truncated = false): ReadOutcome => ({
  ok: true,
  samples: [{ at: 1, truncated, data: { text: content } }],
});

/**
 * A host whose runner gives the answers of the test. The host records the order in which
 * its parts were used. In the product the runner is the far end of a socket.
 */
function buildHost(
  answers: {
    read?: ReadOutcome;
    /** By the name of the read, before `read`. */
    reads?: Record<string, RunnerOutcome>;
    result?: string | Buffer;
    failure?: SondeError;
    readTakesMs?: number;
    maySendReads?: boolean;
  } = {},
  disk: { full?: boolean; syncFails?: boolean } = {},
  ceiling: Capability = "observe",
  ownRules: OwnRules = [],
) {
  const steps: string[] = [];
  const entries: AuditEntry[] = [];
  const inputs: string[] = [];
  let time = 1000;
  const audit = createAuditLog(
    {
      write(entry) {
        if (disk.full) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
        steps.push(`write ${entry.record.event}`);
        entries.push(entry);
      },
      async sync() {
        if (disk.syncFails) throw Object.assign(new Error("io"), { code: "EIO" });
        steps.push("sync");
      },
    },
    EMPTY_HEAD,
  );
  const pack = buildActivePack(admitted, "/store/index.js", grant, {
    ceiling: { maxCapability: ceiling, alsoReadOnly: new Set() },
    program: "sonde agent",
  });
  const retries: boolean[] = [];
  const host: ProbePorts = {
    agentName: "web-1",
    audit,
    ownRules,
    maySendReads: answers.maySendReads ?? false,
    runner: {
      async read(reads, _timeoutMs, _groups, mayRetry) {
        steps.push("read");
        retries.push(mayRetry);
        time += answers.readTakesMs ?? 0;
        const outcomes = reads.map(({ name }): [string, RunnerOutcome] => [
          name,
          answers.reads?.[name] ?? answers.read ?? seen("0.1 0.2"),
        ]);
        const traces = reads.map(({ name }) => ({ name, what: "a lie", bytes: 7, ms: 1 }));
        return { reads: Object.fromEntries(outcomes), traces };
      },
      async run({ input }) {
        steps.push("guest");
        inputs.push(Buffer.from(input).toString("utf8"));
        if (answers.failure) {
          const { code, message } = answers.failure;
          return { ok: false, failure: { code, message }, ms: 1 };
        }
        const result = Buffer.from(answers.result ?? '{"text":"fine"}');
        return { ok: true, result, ms: 1 };
      },
    },
    findPack: (name): ActivePack | SondeError =>
      name === "acme/hello" ? pack : new SondeError("PACK_NOT_ACTIVE", "pending"),
    now: () => 1_700_000_000_000,
    clock: () => time,
    within,
  };
  return { host, steps, entries, inputs, retries };
}

const call = (changes: Partial<Call> = {}): Call => ({
  callId: "00000000-0000-4000-8000-000000000001",
  principal: "key:abc",
  askedBy: "laptop",
  probe: "acme/hello.greet",
  packDigest: DIGEST,
  policyHash: null,
  params: {},
  timeoutMs: 5000,
  tellsDigests: true,
  sendReads: false,
  ...changes,
});

/** Parses the answer as the hub does. */
const readAnswer = ({ body }: Answer): ResultBody =>
  parseResultBody(JSON.parse(Buffer.from(body).toString("utf8")));
const lasting = new AbortController().signal;
const answerOf = async (asked: Call, host: ProbePorts) =>
  readAnswer(await runProbe(asked, host, lasting));

test("a good call: request written, read, guest, response durable, then the answer", async () => {
  const { host, steps, entries } = buildHost();
  const body = await answerOf(call({ params: { name: "x" } }), host);
  expect(body).toMatchObject({ status: "ok", data: { text: "fine" }, truncated: false });
  expect(steps).toEqual(["write call.request", "read", "guest", "write call.response", "sync"]);
  expect(verifyChain(entries)).toEqual(body.auditHead);
  expect(body.reads).toMatchObject([{ name: "load", what: "file /proc/loadavg" }]);
  expect(entries[0]?.record.detail).toMatchObject({
    params: { name: "x" },
    reads: ["file /proc/loadavg"],
  });
});

// Attack 78.
test("a caller chooses only among endpoints that were named on this host, and is told which", async () => {
  const params: ProbeManifest["params"] = {
    ...{ type: "object", properties: { where: text } },
    ...{ required: ["where"], additionalProperties: false },
  };
  const { greet } = manifest.probes;
  if (greet === undefined) throw new Error("expected the probe greet");
  const chosen = { source: "server", with: { where: { param: "where" } } };
  const forEach = { read: "names", at: "body.*.id", hole: "id", atMost: 1 };
  const timesAndBytes = { timeoutMs: 500, maxBytes: 100 };
  const connecting: Manifest = {
    ...manifest,
    sources: {
      ...manifest.sources,
      server: {
        ...{ kind: "tls", endpoint: { hole: "where" }, holes: { where: { type: "endpoint" } } },
        ...timesAndBytes,
      },
      each: {
        ...{ kind: "tls", endpoint: { hole: "where" }, ...timesAndBytes },
        holes: { where: { type: "endpoint" }, id: { type: "integer", minimum: 0, maximum: 9 } },
      },
    },
    requires: { ...grant.requires, hosts: ["<endpoint> TLS"] },
    probes: {
      greet: { ...greet, params, reads: { server: chosen } },
      each: {
        ...{ ...greet, params },
        reads: { names: { source: "names" }, server: { ...chosen, source: "each", forEach } },
      },
    },
  };
  const ask = async (where: string, endpoints?: string[], probe = "greet") => {
    const { host, steps } = buildHost();
    const pack = buildActivePack(
      { ...admitted, manifest: connecting },
      "/store/index.js",
      { ...grant, requires: connecting.requires, ...(endpoints && { endpoints }) },
      { ceiling: { maxCapability: "observe", alsoReadOnly: new Set() }, program: "sonde-agent" },
    );
    const asked = call({ params: { where }, probe: `acme/hello.${probe}` });
    const body = await answerOf(asked, { ...host, findPack: () => pack });
    return { failure: body.failure, isRead: steps.includes("read") };
  };
  const named = ["a.example:443", "b.example:443"];
  expect(await ask("a.example:443", named)).toEqual({ isRead: true });
  expect(await ask("c.example:443", named)).toEqual({
    failure: {
      code: "READ_NOT_GRANTED",
      message:
        "server: expected an endpoint that was named on this host (a.example:443, b.example:443), got c.example:443; run: sonde-agent approve acme/hello --endpoint HOST:PORT",
    },
    isRead: false,
  });
  expect(await ask("a.example:443")).toMatchObject({
    failure: { code: "READ_NOT_GRANTED", message: expect.stringContaining("(none so far)") },
    isRead: false,
  });
  // Before anything is read, also for a read that is done later.
  expect(await ask("c.example:443", named, "each")).toMatchObject({
    failure: { message: expect.stringContaining("got c.example:443") },
    isRead: false,
  });
});

test("a read that the kernel refuses for want of a withheld group says so, and what grants it", async () => {
  const { host } = buildHost({
    read: { ok: false, failure: { code: "PERMISSION_NEEDED", message: "may not be read" } },
  });
  const asking = structuredClone(admitted);
  asking.manifest.requires.groups = ["adm"];
  const withheld = { groups: ["adm"], commands: [], files: [], sockets: [] };
  const ceiling = { maxCapability: "observe", alsoReadOnly: new Set<string>() } as const;
  const pack = buildActivePack(
    asking,
    "/store/index.js",
    { ...grant, withheld },
    { ceiling, program: "sonde-agent" },
  );
  const body = await answerOf(call(), { ...host, findPack: () => pack });
  expect(body.failure).toEqual({
    code: "PERMISSION_NEEDED",
    message:
      "load: may not be read; group adm was not granted; run: sonde-agent approve acme/hello --ask-each",
  });
});

test("the records name who asked, in words that were scrubbed, cut and obey no terminal", async () => {
  const { host, entries } = buildHost();
  const name = `Ada \u001b[2J\u202e token=hunter2 ${"x".repeat(300)}`;
  const body = await answerOf(call({ askedBy: name }), host);
  expect(body.redactions.count).toBe(0);
  const told = entries.map(({ record }) => record.detail["askedBy"]);
  expect(told[0]).toMatch(/^Ada \\u001b\[2J\\u202e token=\[redacted:token\] x+/);
  expect(String(told[0]).length).toBeLessThan(150);
  expect(told).toEqual([told[0], told[0]]);

  const earlier = buildHost();
  await answerOf(call({ askedBy: null }), earlier.host);
  expect(earlier.entries.map(({ record }) => "askedBy" in record.detail)).toEqual([false, false]);
});

const refusals: [string, Partial<Call>, string][] = [
  ["a pack that is not active", { probe: "system.overview" }, "PACK_NOT_ACTIVE"],
  ["another archive", { packDigest: OTHER_DIGEST }, "PACK_DIGEST_MISMATCH"],
  ["no archive", { packDigest: null }, "PACK_DIGEST_MISMATCH"],
  ["an unknown probe", { probe: "acme/hello.nothing" }, "PROBE_UNKNOWN"],
  ["a prototype's name", { probe: "acme/hello.constructor" }, "PROBE_UNKNOWN"],
  ["a probe above the ceiling", { probe: "acme/hello.restart" }, "CAPABILITY_ABOVE_CEILING"],
  ["a read past the grant", { probe: "acme/hello.beyond" }, "READ_NOT_GRANTED"],
  ["an unknown parameter", { params: { other: 1 } }, "PARAMS_INVALID"],
  ["a parameter of another type", { params: { name: 1 } }, "PARAMS_INVALID"],
];

test.each(refusals)("%s is refused and recorded before anything runs", async (_, changes, code) => {
  const { host, steps, entries } = buildHost();
  const body = await answerOf(call(changes), host);
  expect(body).toMatchObject({ status: "failure", failure: { code } });
  expect(steps).toEqual(["write call.denied", "sync"]);
  expect(entries[0]?.record).toMatchObject({ event: "call.denied", status: "denied", code });
});

test("a log that cannot be written stops the call before it reads", async () => {
  const { host, steps } = buildHost({}, { full: true });
  const body = await answerOf(call(), host);
  expect(body).toMatchObject({ status: "failure", failure: { code: "AUDIT_UNAVAILABLE" } });
  expect(steps).toEqual([]);
});

test("a response that cannot be made durable does not leave", async () => {
  const { host, steps } = buildHost({}, { syncFails: true });
  const body = await answerOf(call(), host);
  expect(body).toMatchObject({ status: "failure", failure: { code: "AUDIT_UNAVAILABLE" } });
  expect(body.data).toBeUndefined();
  expect(body.auditHead).toEqual(EMPTY_HEAD);
  expect(steps).toContain("guest");
  const next = await answerOf(call(), host);
  expect(next.failure?.code).toBe("AUDIT_UNAVAILABLE");
  expect(steps.filter((step) => step === "read")).toHaveLength(1);
});

test("a failed read ends the call with its code, unless it is optional", async () => {
  const read: ReadOutcome = {
    ok: false,
    failure: { code: "PERMISSION_NEEDED", message: "group adm; token=hunter2" },
  };
  const refused = buildHost({ read });
  const body = await answerOf(call(), refused.host);
  expect(body.failure).toEqual({
    code: "PERMISSION_NEEDED",
    message: "load: group adm; token=[redacted:token]",
  });
  expect(refused.steps).not.toContain("guest");
  expect(JSON.stringify(refused.entries)).not.toContain("hunter2");

  const allowed = buildHost({ read });
  const answer = await answerOf(call({ probe: "acme/hello.maybe" }), allowed.host);
  expect(answer.status).toBe("ok");
  expect(JSON.parse(allowed.inputs[0] as string).reads.load.ok).toBe(false);
});

test("reads are scrubbed before the guest sees them, results before they leave", async () => {
  const { host, inputs, entries } = buildHost({
    read: seen("DB_PASSWORD=hunter2", true),
    result: '{"text":"api_key=swordfish"}',
  });
  const body = await answerOf(call({ params: { name: "password=tr0ub" } }), host);
  expect(inputs[0]).toContain("DB_PASSWORD=[redacted:password#1]");
  expect(inputs[0]).not.toContain("hunter2");
  expect(body.data).toEqual({ text: "api_key=[redacted:key#2]" });
  expect(body.redactions).toEqual({ count: 2, rules: { key: 1, password: 1 } });
  expect(body.truncated).toBe(true);
  expect(JSON.stringify(entries)).not.toMatch(/hunter2|swordfish|tr0ub/);
});

test("attack 53: a search for a part of a secret answers as one that finds nothing", async () => {
  const ask = async (lines: string[]) => {
    const parts = lines.map((line) => ({ text: line }));
    const counts = { matchCount: lines.length, searchedBytes: 99, fileBytes: 99 };
    const { host, inputs } = buildHost({
      read: {
        ok: true,
        samples: [
          // More than fitted, where anything did.
          { at: 1, truncated: lines.length > 0, data: { parts, ...counts, cutByDeadline: false } },
        ],
      },
    });
    const asked = call({ probe: "acme/hello.search", params: { guess: "hunter" } });
    const { status, redactions, truncated } = await answerOf(asked, host);
    return { status, redactions, truncated, input: inputs[0] };
  };
  const right = await ask(["DB_PASSWORD=hunter2\n"]);
  expect(right).toMatchObject({ status: "ok", redactions: { count: 0 }, truncated: false });
  expect(right).toEqual(await ask([]));
  const visible = await ask(["a hunter went home\n"]);
  expect(visible).toMatchObject({ truncated: true });
  expect(visible.input).toContain("a hunter went home");
});

test("what the operator's own pattern matches is a marker in reads, result, audit and error texts", async () => {
  const own = await compileOwnRules([
    { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" },
  ]);
  const said = "of BADGE-123456 and password=hunter2";
  const told = "of [redacted:own-badge] and password=[redacted:password]";
  const { host, inputs, entries } = buildHost(
    { read: seen(said), result: JSON.stringify({ text: said }) },
    {},
    "observe",
    own,
  );
  const body = await answerOf(call({ params: { name: "BADGE-123456" } }), host);
  expect(inputs[0]).toContain("of [redacted:own-badge#2] and password=[redacted:password#1]");
  expect(body.data).toEqual({
    text: "of [redacted:own-badge#4] and password=[redacted:password#3]",
  });
  expect(body.redactions.rules).toEqual({ "own-badge": 2, password: 2 });
  expect(JSON.stringify(entries)).toContain("[redacted:own-badge]");
  expect(JSON.stringify([inputs[0]?.replace(/"params":\{.*?\}/, ""), entries])).not.toContain(
    "123456",
  );

  const failing = buildHost({ failure: new SondeError("PACK_FAILED", said) }, {}, "observe", own);
  expect((await answerOf(call(), failing.host)).failure?.message).toBe(told);
  expect(JSON.stringify(failing.entries)).not.toContain("123456");
});

test("a guest's guess never has the number of a secret that was read, nor has a parameter's", async () => {
  const guesses = ["swordfish", "hunter2"].map((guess) => `password=${guess}`).join(" ");
  const { host, inputs } = buildHost({
    read: seen("DB_PASSWORD=hunter2"),
    result: JSON.stringify({ text: `password=[redacted:password#1] ${guesses}` }),
  });
  const body = await answerOf(call({ params: { name: "password=hunter2" } }), host);
  expect(inputs[0]).toContain("DB_PASSWORD=[redacted:password#1]");
  expect(body.data).toEqual({
    text: "password=[redacted:password#1] password=[redacted:password#2] password=[redacted:password#3]",
  });
  const trail = new CallTrail(call(), host);
  const read = { name: "one", what: "file /srv/password=hunter2", bytes: 0, ms: 0 };
  trail.addRead(read, seen(""));
  const { reads } = readAnswer(await trail.answer(Buffer.from("{}")));
  expect(reads[0]?.what).toBe("file /srv/password=[redacted:password]");
});

const REFUSAL = new SondeError("PACK_FAILED", "no");

describe("what the guest got of its reads", () => {
  const asking = call({ sendReads: true, params: { name: "x" } });
  const run = async (answers: Parameters<typeof buildHost>[0], asked = asking) => {
    const { host, inputs, entries } = buildHost(answers);
    const { reads, ...answer } = await runProbe(asked, host, lasting);
    const { detail } = entries.at(-1)?.record ?? {};
    return { reads, body: readAnswer({ ...answer, reads }), inputs, detail };
  };

  test("is given to a hub that asks for it, scrubbed, where this host allows that", async () => {
    const read = seen("DB_PASSWORD=hunter2");
    const { reads, body, inputs, detail } = await run({ read, maySendReads: true });
    const sent = Buffer.from(reads ?? "").toString("utf8");
    expect(sent).toContain("DB_PASSWORD=[redacted:password#1]");
    // Without the parameters, which may have a secret, and as the digests of the answer have it.
    const input = JSON.parse(inputs[0] ?? "") as { reads: object };
    expect(sent).toBe(JSON.stringify({ reads: input.reads }));
    const [[name, outcome] = []] = Object.entries(input.reads);
    const sha256 = createHash("sha256").update(JSON.stringify(outcome)).digest("hex");
    expect(body.reads).toMatchObject([{ name, sha256: `sha256:${sha256}` }]);
    expect(detail).toMatchObject({ sentReadsBytes: sent.length });
  });

  test.each([
    ["the hub does not ask", { maySendReads: true }, call()],
    ["this host does not allow it", {}, asking],
    ["it is too large", { maySendReads: true, read: seen("x".repeat(2 ** 21)) }, asking],
    ["the guest fails", { maySendReads: true, failure: REFUSAL }, asking],
  ])("is given to nobody when %s", async (_why, answers, asked) => {
    const { reads, detail } = await run(answers, asked);
    expect(reads).toBe(null);
    expect(Object.keys(detail ?? {})).not.toContain("sentReadsBytes");
  });
});

test("a statement is on record whole, and many reads share the room of one entry", async () => {
  const { host, entries } = buildHost();
  const trail = new CallTrail(call(), host);
  const statement = `SELECT ${"1 + ".repeat(400)}1`;
  await trail.noteRequest([statement], "observe");
  await trail.noteRequest(
    Array.from({ length: 1000 }, () => statement),
    "observe",
  );
  const [one, many] = entries.map(({ record }) => record.detail["reads"] as string[]);
  expect(one).toEqual([statement]);
  expect(new Set(many)).toEqual(
    new Set([`${statement.slice(0, 300)} ... (${statement.length} characters)`]),
  );
  expect(many).toHaveLength(1000);
});

test("a result is serialised once: what is measured, hashed and sent are the same bytes", async () => {
  const { host, entries } = buildHost({
    read: seen("looked at"),
    result: '{"text":"once, and token=hunter2"}',
  });
  const keys = generateKeyPairSync("ed25519");
  const session = { hubId: call().callId, agentId: call().callId, sessionId: "s".repeat(43) };
  const ends = {
    signer: createSigningKey(keys.privateKey, keys.publicKey),
    peerKey: keys.publicKey,
    now: host.now,
  };
  const serialise = vi.spyOn(JSON, "stringify");
  onTestFinished(() => serialise.mockRestore());
  const { body } = await runProbe(call(), host, lasting);
  const frame = createChannel({ side: "agent", ...session, ...ends }).seal({
    type: "result",
    body,
  });
  const texts = serialise.mock.results.map(({ value }) => String(value));
  expect(texts.filter((one) => one.includes("once, and"))).toEqual([
    '{"text":"once, and token=[redacted:token#1]"}',
  ]);
  expect(texts.filter((one) => one.includes("looked at"))).toHaveLength(1);
  expect(frame.subarray(frame.length - body.length)).toEqual(body);
  const [, sent] = /"data":(\{.*?\})/.exec(Buffer.from(body).toString("utf8")) ?? [];
  expect(entries[1]?.record.detail).toMatchObject({
    resultSha256: createHash("sha256")
      .update(sent ?? "")
      .digest("hex"),
  });
});

const badResults: [string, string | Buffer, string][] = [
  ["not JSON", "{", "RESULT_INVALID"],
  ["not UTF-8", Buffer.from('{"text":"\xff"}', "latin1"), "RESULT_INVALID"],
  ["not an object", "[]", "RESULT_INVALID"],
  ["another shape", '{"text":1}', "RESULT_INVALID"],
  ["a member too many", '{"text":"x","__proto__":{}}', "RESULT_INVALID"],
  ["over 1 MiB", JSON.stringify({ text: "x".repeat(1024 * 1024) }), "RESULT_TOO_LARGE"],
  ["far too large to parse", `"${"x".repeat(9 * 1024 * 1024)}"`, "RESULT_TOO_LARGE"],
];

test.each(badResults)("a result that is %s does not leave", async (_, result, code) => {
  const { host, entries } = buildHost({ result });
  const body = await answerOf(call(), host);
  expect(body).toMatchObject({ status: "failure", failure: { code } });
  expect(body.data).toBeUndefined();
  expect(entries.map(({ record }) => record.event)).toEqual(["call.request", "call.response"]);
});

test("a guest's failure keeps its code, without secrets in its text", async () => {
  const failure = new SondeError("PACK_FAILED", "cannot parse token=hunter2");
  const body = await answerOf(call(), buildHost({ failure }).host);
  expect(body.failure).toEqual({
    code: "PACK_FAILED",
    message: "cannot parse token=[redacted:token]",
  });
});

test("an error of the runner becomes a failure with a code, without the error's text", async () => {
  const { host, entries } = buildHost();
  host.runner.read = () => Promise.reject(new TypeError("at /secret/path"));
  const body = await answerOf(call(), host);
  expect(body.failure?.code).toBe("INTERNAL");
  expect(JSON.stringify([body, entries])).not.toContain("/secret/path");
});

test("a runner's reply that omits a read or answers another is refused", async () => {
  const { host, steps } = buildHost();
  host.runner.read = () => Promise.resolve({ reads: { other: seen("x") }, traces: [] });
  expect((await answerOf(call(), host)).failure?.code).toBe("RUNNER_UNAVAILABLE");
  expect(steps).not.toContain("guest");
});

test("only reads that observe may be repeated", async () => {
  const { host, retries } = buildHost({ result: "{}" }, {}, "manage");
  await answerOf(call(), host);
  await answerOf(call({ probe: "acme/hello.restart", params: {} }), host);
  expect(retries).toEqual([true, false]);
});

test("what may change the host is durable in the log before it is done, also what is done for found values", async () => {
  const data = { status: 200, body: JSON.stringify([{ name: "a" }]) };
  const names: ReadOutcome = { ok: true, samples: [{ at: 1, truncated: false, data }] };
  const { host, steps } = buildHost({ result: "{}", reads: { names } }, {}, "manage");
  const body = await answerOf(call({ probe: "acme/hello.restart-each", params: {} }), host);
  expect(body.status).toBe("ok");
  expect(steps).toEqual([
    ...["write call.request", "sync", "read"],
    ...["write call.reads", "sync", "read"],
    ...["guest", "write call.response", "sync"],
  ]);
});

test("what may change the host is not done when its request cannot be made durable", async () => {
  const { host, steps } = buildHost({ result: "{}" }, { syncFails: true }, "manage");
  const body = await answerOf(call({ probe: "acme/hello.restart", params: {} }), host);
  expect(body.failure?.code).toBe("AUDIT_UNAVAILABLE");
  expect(steps).toEqual(["write call.request"]);
});

test("a call that ends while its request becomes durable does nothing, and its end is on record", async () => {
  const { host, steps } = buildHost({ result: "{}" }, {}, "manage");
  const ending = new AbortController();
  const answer = runProbe(call({ probe: "acme/hello.restart", params: {} }), host, ending.signal);
  ending.abort(new SondeError("CALL_CANCELLED", "nobody waits"));
  expect(readAnswer(await answer).failure?.code).toBe("CALL_CANCELLED");
  expect(steps.filter((step) => step !== "sync")).toEqual([
    "write call.request",
    "write call.response",
  ]);
});

test("the caller's time bounds every stage", async () => {
  const { host, steps } = buildHost({ readTakesMs: 6000 });
  const body = await answerOf(call({ timeoutMs: 5000 }), host);
  expect(body.failure?.code).toBe("CALL_TIMEOUT");
  expect(steps).not.toContain("guest");
});

test("a runner that never answers takes the caller's budget and no more", async () => {
  const { host, entries } = buildHost();
  host.runner.read = () => new Promise(() => undefined);
  const body = await answerOf(call({ timeoutMs: 150 }), host);
  expect(body.failure?.code).toBe("CALL_TIMEOUT");
  expect(entries.at(-1)?.record).toMatchObject({ event: "call.response", code: "CALL_TIMEOUT" });
});

test("one call too many is refused while the others go on", async () => {
  const { host } = buildHost();
  const gate = Promise.withResolvers<void>();
  const read = host.runner.read.bind(host.runner);
  host.runner.read = async (...args) => {
    await gate.promise;
    return read(...args);
  };
  const limited = limitCalls(host, 2);
  const run = async (asked: Call) => readAnswer(await limited.run(asked));
  const running = [run(call()), run(call())];
  const refused: ResultBody = await run(call());
  expect(refused.failure?.code).toBe("AGENT_BUSY");
  gate.resolve();
  expect((await Promise.all(running)).map(({ status }) => status)).toEqual(["ok", "ok"]);
  expect((await run(call())).status).toBe("ok");
});

test("attack 22: a cancelled call ends its reads, and its answer is recorded as cancelled", async () => {
  const { host, entries, steps } = buildHost();
  let ended = false;
  const reading = Promise.withResolvers<void>();
  host.runner.read = (_reads, _timeoutMs, _groups, _mayRetry, signal) => {
    signal.addEventListener("abort", () => (ended = true));
    reading.resolve();
    return new Promise(() => undefined);
  };
  const calls = limitCalls(host, 2);
  const running = calls.run(call());
  await reading.promise;
  calls.cancel("00000000-0000-4000-8000-000000000002");
  expect(ended).toBe(false);
  calls.cancel(call().callId);
  expect(readAnswer(await running).failure?.code).toBe("CALL_CANCELLED");
  expect(ended).toBe(true);
  expect(steps).not.toContain("guest");
  expect(entries.at(-1)?.record).toMatchObject({ event: "call.response", code: "CALL_CANCELLED" });
});

const named = (names: readonly unknown[]): ReadOutcome => {
  const body = JSON.stringify(names.map((name) => ({ name })));
  return { ok: true, samples: [{ at: 1, truncated: false, data: { status: 200, body } }] };
};

test("a read for each value that was found: recorded before it is done, and each is evidence", async () => {
  const failure = { code: "PERMISSION_NEEDED", message: "no" } as const;
  const reads = {
    names: named(["a", "b", "a", "../shadow", 7, "c", "d", "e"]),
    "files.0": seen("first"),
    "files.1": { ok: false, failure } as const,
    "files.2": seen("third"),
  };
  const { host, steps, entries, inputs } = buildHost({ reads });
  const body = await answerOf(call({ probe: "acme/hello.each" }), host);
  expect(body).toMatchObject({ status: "ok", truncated: true });
  expect(steps).toEqual([
    ...["write call.request", "read", "write call.reads", "read", "guest"],
    ...["write call.response", "sync"],
  ]);
  expect(entries[0]?.record.detail["reads"]).toEqual([
    "GET /containers/json over unix:/var/run/docker.sock",
    "file <name>, for each <name> at body.*.name of names, at most 3",
  ]);
  const files = ["a", "b", "c"].map((name) => `file /etc/app.d/${name}`);
  expect(entries[1]?.record).toMatchObject({
    ...{ event: "call.reads", status: "info", callId: call().callId, probe: "acme/hello.each" },
    detail: { reads: files, leftOutCount: 2, askedBy: "laptop" },
  });
  const input = JSON.parse(inputs[0] ?? "") as { reads: Record<string, unknown> };
  const digestOf = (value: unknown) =>
    `sha256:${createHash("sha256").update(JSON.stringify(value)).digest("hex")}`;
  const sha256 = digestOf(input.reads["files"]);
  expect(body.reads.slice(1)).toEqual(
    files.map((what) => ({ name: "files", what, bytes: 7, ms: 1, sha256 })),
  );
  expect(body.reads[0]?.sha256).toBe(digestOf(input.reads["names"]));
  const earlier = await answerOf(
    call({ probe: "acme/hello.each", tellsDigests: false }),
    buildHost({ reads, result: '{"text":""}' }).host,
  );
  expect(earlier.reads.every((trace) => !("sha256" in trace))).toBe(true);
  expect(input.reads["files"]).toEqual({
    ok: true,
    each: [
      { value: "/etc/app.d/a", outcome: reads["files.0"] },
      { value: "/etc/app.d/b", outcome: reads["files.1"] },
      { value: "/etc/app.d/c", outcome: reads["files.2"] },
    ],
    leftOutCount: 2,
    unfitCount: 2,
  });
});

test("values that could not be found fail the call, though the read of them is optional", async () => {
  const failure = { code: "PERMISSION_NEEDED", message: "no" } as const;
  const { host, steps } = buildHost({ reads: { names: { ok: false, failure } } });
  const body = await answerOf(call({ probe: "acme/hello.each" }), host);
  expect(body).toMatchObject({ status: "failure", failure: { code: "PERMISSION_NEEDED" } });
  expect(body.failure?.message).toContain("files: names: no");
  expect(steps).not.toContain("guest");
});

test("nothing is read for values that the log cannot take", async () => {
  const disk = { full: false };
  const { host, steps } = buildHost({ reads: { names: named(["a"]) } }, disk);
  const { runner } = host;
  host.runner = {
    ...runner,
    read(...asked) {
      disk.full = true;
      return runner.read(...asked);
    },
  };
  const body = await answerOf(call({ probe: "acme/hello.each" }), host);
  expect(body).toMatchObject({ status: "failure", failure: { code: "AUDIT_UNAVAILABLE" } });
  expect(steps.filter((step) => step === "read")).toHaveLength(1);
});

test("attack 53: what its name alone shows as a secret leads to no read, and is told nowhere", async () => {
  const secret = "Winter-hunter2x";
  const body = JSON.stringify([{ name: "a", password: secret }]);
  const names: ReadOutcome = {
    ...{ ok: true, samples: [{ at: 1, truncated: false, data: { status: 200, body } }] },
  };
  const { host, inputs, entries } = buildHost({ reads: { names } });
  const answer = await answerOf(call({ probe: "acme/hello.secrets" }), host);
  expect(JSON.parse(inputs[0] ?? "")).toMatchObject({
    reads: { files: { each: [], unfitCount: 1, leftOutCount: 0 } },
  });
  for (const told of [inputs, answer, entries]) expect(JSON.stringify(told)).not.toContain(secret);
});

test("attack 53: a secret in a value, and in what it led to, reaches neither guest nor answer nor log", async () => {
  const secret = "ghp_016C7p9XkQ2vB4nM8sLtR5wZ1yA3dF6gH0jK";
  const reads = { names: named([secret]), "files.0": seen(`token = ${secret}`) };
  const { host, inputs, entries } = buildHost({ reads });
  const body = await answerOf(call({ probe: "acme/hello.each" }), host);
  expect(body.status).toBe("ok");
  expect(inputs[0]).toContain("[redacted");
  for (const told of [inputs, body, entries]) expect(JSON.stringify(told)).not.toContain(secret);
});

test("attack 53: a secret that the cap of one of many reads cut is replaced whole", async () => {
  const [first, rest] = ["ghp_016C7p9XkQ2vB4nM8sLt", "R5wZ1yA3dF6gH0jK"];
  const sample = { at: 1, truncated: true, data: { text: first } };
  const margins = { text: { before: "", after: rest } };
  const cut: RunnerOutcome = { ok: true, samples: [{ ...sample, margins }] };
  const { host, inputs } = buildHost({ reads: { names: named(["a"]), "files.0": cut } });
  expect((await answerOf(call({ probe: "acme/hello.each" }), host)).status).toBe("ok");
  expect(inputs[0]).toContain("[redacted");
  expect(inputs[0]).not.toContain(first);
  expect(inputs[0]).not.toContain("margins");
});
