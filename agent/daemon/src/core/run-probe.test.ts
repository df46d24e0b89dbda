import { createHash, generateKeyPairSync } from "node:crypto";
import { type GrantFile } from "@sonde/schemas/agent";
import { type AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import { type ReadOutcome } from "@sonde/schemas/reads";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { type ResultBody, parseResultBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { buildSampleManifest } from "@sonde/trust/testing";
import { createChannel, createSigningKey } from "@sonde/trust/envelope";
import { expect, onTestFinished, test, vi } from "vitest";
import { type ActivePack, buildActivePack } from "./active-pack.ts";
import { createAuditLog } from "./audit-log.ts";
import { within } from "../edge/within.ts";
import { limitCalls } from "./limit-calls.ts";
import { type Call, type ProbePorts, runProbe } from "./run-probe.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER_DIGEST = `sha256:${"b".repeat(64)}`;
const text = { type: "string" } as const;

const manifest: Manifest = buildSampleManifest({
  sources: {
    load: { kind: "file", path: "/proc/loadavg", timeoutMs: 500, maxBytes: 4096 },
    reboot: { kind: "exec", command: "reboot", argv: [], timeoutMs: 500, maxBytes: 10 },
    secret: { kind: "file", path: "/etc/ungranted", timeoutMs: 500, maxBytes: 10 },
  },
  requires: {
    groups: [],
    commands: ["reboot"],
    files: ["/etc/ungranted", "/proc/loadavg"],
    sockets: [],
  },
  probes: {
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
  requires: { groups: [], commands: ["reboot"], files: ["/proc/loadavg"], sockets: [] },
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
    result?: string | Buffer;
    failure?: SondeError;
    readTakesMs?: number;
  } = {},
  disk: { full?: boolean; syncFails?: boolean } = {},
  ceiling: Capability = "observe",
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
  const pack = buildActivePack(admitted, "/store/index.js", grant, ceiling);
  const retries: boolean[] = [];
  const host: ProbePorts = {
    agentName: "web-1",
    audit,
    runner: {
      async read(reads, _timeoutMs, _groups, mayRetry) {
        steps.push("read");
        retries.push(mayRetry);
        time += answers.readTakesMs ?? 0;
        const outcomes = reads.map(({ name }) => [name, answers.read ?? seen("0.1 0.2")]);
        return { reads: Object.fromEntries(outcomes), traces: [] };
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
  probe: "acme/hello.greet",
  packDigest: DIGEST,
  policyHash: null,
  params: {},
  timeoutMs: 5000,
  ...changes,
});

/** Parses the answer as the hub does. */
const readAnswer = (bytes: Uint8Array): ResultBody =>
  parseResultBody(JSON.parse(Buffer.from(bytes).toString("utf8")));
const answerOf = async (asked: Call, host: ProbePorts) => readAnswer(await runProbe(asked, host));

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
  expect(inputs[0]).toContain("DB_PASSWORD=[redacted:password]");
  expect(inputs[0]).not.toContain("hunter2");
  expect(body.data).toEqual({ text: "api_key=[redacted:key]" });
  expect(body.redactions).toEqual({ count: 2, rules: { key: 1, password: 1 } });
  expect(body.truncated).toBe(true);
  expect(JSON.stringify(entries)).not.toMatch(/hunter2|swordfish|tr0ub/);
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
  const body = await runProbe(call(), host);
  const frame = createChannel({ side: "agent", ...session, ...ends }).seal({
    type: "result",
    body,
  });
  const texts = serialise.mock.results.map(({ value }) => String(value));
  expect(texts.filter((one) => one.includes("once, and"))).toEqual([
    '{"text":"once, and token=[redacted:token]"}',
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
  const run = async (asked: Call) => readAnswer(await limited(asked));
  const running = [run(call()), run(call())];
  const refused: ResultBody = await run(call());
  expect(refused.failure?.code).toBe("AGENT_BUSY");
  gate.resolve();
  expect((await Promise.all(running)).map(({ status }) => status)).toEqual(["ok", "ok"]);
  expect((await run(call())).status).toBe("ok");
});
