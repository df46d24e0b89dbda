import { spawnSync } from "node:child_process";
import { createHash, createPublicKey, randomBytes, randomUUID } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type GrantFile,
  parseAgentPacks,
  parseAgentStatus,
  parsePackExplanation,
} from "@sonde/schemas/agent";
import { type AuditEntry } from "@sonde/schemas/audit";
import {
  type AgentStatement,
  type LogHead,
  type AttestationBody,
  OWN_PROTOCOL,
  type ProtocolOffer,
  type ResultBody,
  parseHelloBody,
  parsePackReportBody,
  parseResultBody,
  encodeBody,
} from "@sonde/schemas/wire";
import { buildRights } from "@sonde/schemas/testing";
import { admitPack, admittedFolder, followRegistry, readAdmitted } from "@sonde/trust/admit";
import { archiveDigest } from "@sonde/trust/archive";
import { verifyChain } from "@sonde/trust/chain";
import { verifySegments } from "@sonde/trust/segments";
import {
  buildAdmitProgram,
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  signSample,
  type SampleRegistry,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { describeHost } from "./edge/describe-host.ts";
import type { Log } from "./edge/log.ts";
import { WELCOME, type TestHub, type TestSession, startTestHub } from "./testing/test-hub.ts";
import { writeIdentity } from "./edge/store/write-identity.ts";
import { type Agent, startAgent } from "./start-agent.ts";

// Real are the hub connection, the admit process, the registry traffic and the files.
// Only the runner is replaced; its processes have tests of their own.

const root = mkdtempSync(join(tmpdir(), "sonde-agent-"));
const admitProgram = join(root, "admit.cjs");
const key = createSampleKey();
const archive = buildSampleArchive();
const digest = archiveDigest(archive);
const manifest = buildSampleManifest();
const uid = process.getuid?.() ?? 0;
let registry: SampleRegistry;
let folder: string;
let hub: TestHub;
let agent: Agent | undefined;

beforeAll(async () => {
  await buildAdmitProgram(admitProgram);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(async () => {
  folder = mkdtempSync(join(root, "case-"));
  mkdirSync(join(folder, "state"), { mode: 0o711 });
  mkdirSync(join(folder, "grants"), { mode: 0o755 });
  registry = await startSampleRegistry();
  registry.publish(archive, signSample(archive, key));
  hub = await startTestHub();
  enrol();
});
function enrol(): void {
  const { key: agentKey, hubKey, certificate, ca, ...file } = hub.identity;
  writeIdentity(join(folder, "state", "identity"), {
    key: agentKey.export({ format: "pem", type: "pkcs8" }).toString(),
    certificate,
    ca,
    identity: { ...file, hubKey: hubKey.export({ format: "pem", type: "spki" }).toString() },
  });
}
afterEach(async () => {
  await agent?.close();
  agent = undefined;
  await hub.close();
  await registry.close();
});

async function start(
  changes: { logHeadMaxAgeHours?: number } = {},
  noteEvent: Log = () => undefined,
): Promise<void> {
  const storeDir = join(folder, "state", "packs");
  const policy = {
    ...buildSamplePolicy({ acme: [key] }),
    ...changes,
    registry: registry.url,
    logKey: registry.logKey,
  };
  agent = await startAgent({
    config: {
      stateDir: join(folder, "state"),
      grantsDir: join(folder, "grants"),
      trustPolicyPath: "/unused",
      admitPath: admitProgram,
      runners: [],
      maxCapability: "observe",
      sameUid: true,
    },
    host: describeHost(import.meta.filename, `sha256:${"0".repeat(64)}`),
    places: {
      program: join(folder, "program.js"),
      runtime: join(folder, "node"),
      configuration: join(folder, "agent.json"),
      admitPath: admitProgram,
      trustPolicyPath: join(folder, "trust.json"),
      unitFolders: [join(folder, "units")],
    },
    groups: [],
    ownRules: [],
    uid,
    runner: {
      read: (reads) =>
        Promise.resolve({
          reads: Object.fromEntries(
            reads.map(({ name }) => [
              name,
              { ok: true, samples: [{ at: 1, truncated: false, data: { text: "0.1" } }] },
            ]),
          ),
          traces: reads.map(({ name }) => ({ name, what: "x", bytes: 3, ms: 1 })),
        }),
      run: () => Promise.resolve({ ok: true, result: Buffer.from("{}"), ms: 1 }),
      drop: () => undefined,
      serves: () => true,
      runners: () => [{ pid: 1, uid, groups: [], confinement: "process", rights: buildRights() }],
      onChange: () => undefined,
      close: () => undefined,
    },
    admission: {
      readPolicy: () => policy,
      follow: (wanted, onEntry) => followRegistry(admitProgram, wanted, onEntry),
      admit: (wanted, log) =>
        admitPack(admitProgram, {
          ...wanted,
          registry: registry.url,
          policy,
          log,
          agentVersion: "0.1.0",
          storeDir,
        }),
      readAdmitted: (wanted) => readAdmitted(storeDir, wanted, buildSamplePolicy({ acme: [key] })),
      codePathOf: (wanted) => join(admittedFolder(storeDir, wanted), "index.js"),
    },
    log: noteEvent,
  });
}

/** @param protocol what the hub offers; nothing by default, as release 0.1.0 */
async function connect(protocol?: ProtocolOffer): Promise<TestSession> {
  const session = await hub.session();
  const welcome = encodeBody({ ...WELCOME, protocol });
  session.socket.send(session.channel.seal({ type: "welcome", body: welcome }));
  parseHelloBody((await session.next()).body);
  return session;
}

function approve(): void {
  const grant: GrantFile = {
    pack: "acme/hello",
    digest,
    requires: manifest.requires,
    approvedBy: "root",
    approvedAt: "2026-01-01T00:00:00.000Z",
  };
  const path = join(folder, "grants", "acme--hello.json");
  writeFileSync(path, JSON.stringify(grant));
  chmodSync(path, 0o644);
}

function ask(method: string, path: string): Promise<unknown> {
  const socketPath = agent?.socketPath ?? "";
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    });
    asked.on("error", reject).end();
  });
}

/** Orders a statement and returns it. */
async function attest(session: TestSession): Promise<AgentStatement> {
  const nonce = randomBytes(32).toString("base64url");
  session.socket.send(session.channel.seal({ type: "attest", body: encodeBody({ nonce }) }));
  for (;;) {
    const { header, body } = await session.next();
    if (header.type !== "attestation") continue;
    expect(body).toMatchObject({ nonce });
    return (body as AttestationBody).statement;
  }
}

const desire = (revision: number, wanted = true) => ({
  type: "desired-state" as const,
  body: encodeBody({
    revision,
    packs: wanted ? [{ name: "acme/hello", version: "1.0.0", digest }] : [],
  }),
});

const lastStates = new WeakMap<TestSession, string | undefined>();

/** Returns the first pack's next state. Skips reports that are only about the registry's log. */
async function nextState(session: TestSession): Promise<string | undefined> {
  for (;;) {
    const { header, body } = await session.next();
    // Follows each report.
    if (header.type === "approvals") continue;
    expect(header.type).toBe("pack-report");
    const state = parsePackReportBody(body).packs[0]?.state;
    if (lastStates.has(session) && lastStates.get(session) === state) continue;
    lastStates.set(session, state);
    return state;
  }
}

/** Returns the next message that is not a report. */
async function nextAnswer(session: TestSession): Promise<Awaited<ReturnType<TestSession["next"]>>> {
  for (;;) {
    const message = await session.next();
    if (message.header.type !== "pack-report") return message;
  }
}

async function call(session: TestSession): Promise<ResultBody> {
  const callId = randomUUID();
  session.socket.send(
    session.channel.seal({
      type: "call",
      callId,
      principal: "key:a",
      probe: "acme/hello.greet",
      packDigest: digest,
      body: encodeBody({
        ...{ probe: "acme/hello.greet", params: {}, timeoutMs: 5000, askedBy: "laptop" },
      }),
    }),
  );
  const { header, body } = await nextAnswer(session);
  expect(header).toMatchObject({ type: "result", callId });
  return parseResultBody(body);
}

function readLog(): AuditEntry[] {
  const dir = join(folder, "state", "audit");
  return readdirSync(dir)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as AuditEntry);
}

test("a desired pack is approved by a person, answers calls, and is revoked", async () => {
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  expect(await nextState(session)).toBe("fetched");
  expect(await nextState(session)).toBe("pending");
  expect(await call(session)).toMatchObject({ failure: { code: "PACK_NOT_ACTIVE" } });

  const explained = parsePackExplanation(await ask("GET", "/packs/acme/hello"));
  expect(explained).toMatchObject({
    state: "pending",
    missing: manifest.requires,
    signer: { kind: "rsa-sha256", publisher: "acme" },
    probes: [{ id: "acme/hello.greet", reads: [{ what: "file /proc/loadavg" }] }],
    before: [],
  });
  approve();
  expect(parseAgentPacks(await ask("POST", "/reload")).packs[0]).toMatchObject({
    state: "active",
    probes: ["greet"],
  });
  expect(await nextState(session)).toBe("active");

  const answer = await call(session);
  expect(answer).toMatchObject({ status: "ok", data: {} });
  const log = readLog();
  expect(verifyChain(log)).toEqual(answer.auditHead);
  expect(log.at(-1)?.record).toMatchObject({ principal: "key:a", detail: { askedBy: "laptop" } });
  expect(parseAgentStatus(await ask("GET", "/status"))).toMatchObject({
    connected: true,
    wall: "same-uid",
    audit: answer.auditHead,
  });

  rmSync(join(folder, "grants", "acme--hello.json"));
  await ask("POST", "/reload");
  expect(await nextState(session)).toBe("revoked");
  expect(await call(session)).toMatchObject({ failure: { code: "PACK_NOT_ACTIVE" } });
});

test("attack 62: on a full disk calls are refused with the reason, and answered again once there is room", async () => {
  const disk = join(folder, "state", "audit");
  mkdirSync(disk, { mode: 0o700 });
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", disk]);
  // Mounting needs root.
  if (mount.status !== 0) return;
  try {
    const told: [string, unknown][] = [];
    approve();
    await start({}, (event, detail) => void told.push([event, detail]));
    const session = await connect();
    session.socket.send(session.channel.seal(desire(1)));
    await vi.waitUntil(async () => (await nextState(session)) === "active", { timeout: 30_000 });
    expect(await call(session)).toMatchObject({ status: "ok" });

    const ballast = join(disk, "ballast");
    expect(() => {
      for (;;) appendFileSync(ballast, Buffer.alloc(4096));
    }).toThrowError(/ENOSPC/);
    // What is left of the log's last block.
    await vi.waitUntil(async () => (await call(session)).status === "failure");
    const failure = {
      code: "AUDIT_UNAVAILABLE",
      message: "the audit log could not be written: ENOSPC",
    };
    expect(await call(session)).toMatchObject({ status: "failure", failure });
    expect(parseAgentStatus(await ask("GET", "/status")).audit.problem).toEqual(failure);

    rmSync(ballast);
    expect(await call(session)).toMatchObject({ status: "ok" });
    expect(parseAgentStatus(await ask("GET", "/status")).audit.problem).toBeNull();
    expect(told.filter(([event]) => event.startsWith("audit."))).toEqual([
      ["audit.unavailable", { message: failure.message }],
      ["audit.available", {}],
    ]);
    expect(verifySegments(disk).bad).toBeNull();
  } finally {
    await agent?.close();
    agent = undefined;
    spawnSync("umount", ["--lazy", disk]);
  }
});

test("a quarantine in the registry's log stops the pack, also after a restart", async () => {
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await vi.waitUntil(async () => (await nextState(session)) === "active", { timeout: 30_000 });
  registry.append({
    type: "quarantine",
    at: "2026-01-02T00:00:00.000Z",
    name: "acme/hello",
    version: "1.0.0",
    quarantined: true,
    reason: "malware",
  });
  // The hub repeats its desired state when the log grew. A log that was read seconds ago
  // is not read again.
  await vi.waitFor(
    async () => {
      session.socket.send(session.channel.seal(desire(1)));
      const { packs } = parseAgentPacks(await ask("GET", "/packs"));
      expect(packs[0]).toMatchObject({
        state: "quarantined",
        reason: { code: "PACK_QUARANTINED" },
      });
    },
    { timeout: 30_000, interval: 500 },
  );
  await agent?.close();
  await registry.close();
  await start();
  expect(parseAgentPacks(await ask("GET", "/packs")).packs[0]?.state).toBe("quarantined");
});

test("attack 69: a registry with a forked history raises an alarm, and nothing is installed from it", async () => {
  const head = { size: 1, hash: `sha256:${"1".repeat(64)}` as const };
  hub.identity.registryHead = { logKey: registry.logKey, head };
  enrol();
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await vi.waitUntil(async () => (await nextState(session)) === "failed", { timeout: 30_000 });
  expect(parseAgentPacks(await ask("GET", "/packs")).packs[0]).toMatchObject({
    state: "failed",
    reason: { code: "REGISTRY_LOG_INCONSISTENT" },
  });
  expect(readLog().map(({ record }) => record.event)).toContain("registry.inconsistent");
  expect(parseAgentStatus(await ask("GET", "/status"))).toMatchObject({
    registry: { problem: { code: "REGISTRY_LOG_INCONSISTENT" } },
  });
  hub.identity.registryHead = null;
});

test("with a rewritten log installed packs keep serving and nothing new is installed", async () => {
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await vi.waitUntil(async () => (await nextState(session)) === "active", { timeout: 30_000 });
  await agent?.close();
  // A log with the same key but another first entry.
  registry.log = registry.log.rewrite();
  await start();
  const next = await connect();
  next.socket.send(next.channel.seal(desire(2)));
  await vi.waitFor(
    async () =>
      expect(parseAgentStatus(await ask("GET", "/status")).registry.problem?.code).toBe(
        "REGISTRY_LOG_INCONSISTENT",
      ),
    { timeout: 30_000 },
  );
  expect(parseAgentPacks(await ask("GET", "/packs")).packs[0]?.state).toBe("active");
  expect(await call(next)).toMatchObject({ status: "ok" });
});

test("attack 44: an older head of the log counts only where the host's policy says so", async () => {
  const at = new Date(Date.now() - 71 * 3_600_000);
  registry.lie = ({ url }, response) => {
    if (url !== "/log/checkpoint") return false;
    response.end(registry.log.checkpoint({ at }));
    return true;
  };
  const problem = async () => parseAgentStatus(await ask("GET", "/status")).registry.problem?.code;
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await vi.waitFor(async () => expect(await problem()).toBe("REGISTRY_LOG_INCONSISTENT"), {
    timeout: 30_000,
  });
  expect(parseAgentPacks(await ask("GET", "/packs")).packs[0]?.state).not.toBe("pending");
  await agent?.close();
  await start({ logHeadMaxAgeHours: 72 });
  const next = await connect();
  next.socket.send(next.channel.seal(desire(2)));
  await vi.waitUntil(async () => (await nextState(next)) === "pending", { timeout: 30_000 });
  expect(await problem()).toBeUndefined();
});

test("a restart serves the same pack without a new fetch or approval, and continues the audit log", async () => {
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(7)));
  expect(await nextState(session)).toBe("fetched");
  expect(await nextState(session)).toBe("active");
  const before = readLog().length;
  await agent?.close();

  await start();
  const again = await hub.session();
  again.socket.send(again.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  const hello = parseHelloBody((await again.next()).body);
  expect(hello.packs).toMatchObject([{ name: "acme/hello", state: "active", digest }]);
  again.socket.send(again.channel.seal(desire(6, false)));
  expect((await call(again)).status).toBe("ok");
  expect(readLog().length).toBeGreaterThan(before);
  expect(() => verifyChain(readLog())).not.toThrow();
});

test("code changed on disk while the agent was down does not serve", async () => {
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await nextState(session);
  expect(await nextState(session)).toBe("active");
  await agent?.close();
  const store = join(folder, "state", "packs");
  appendFileSync(join(admittedFolder(store, digest), "index.js"), "//");
  await start();
  expect(parseAgentPacks(await ask("GET", "/packs")).packs[0]).toMatchObject({
    state: "failed",
    reason: { code: "DIGEST_MISMATCH" },
  });
});

test("attack 59: with an edited audit log nothing runs, and the hub is told why", async () => {
  approve();
  await start();
  const session = await connect();
  session.socket.send(session.channel.seal(desire(1)));
  await nextState(session);
  await nextState(session);
  await call(session);
  await agent?.close();
  const dir = join(folder, "state", "audit");
  const path = join(dir, readdirSync(dir).find((name) => name.endsWith(".jsonl")) as string);
  writeFileSync(path, readFileSync(path, "utf8").replace('"key:a"', '"key:b"'));

  await start();
  const again = await connect();
  const refused = await call(again);
  expect(refused.failure).toMatchObject({ code: "AUDIT_UNAVAILABLE" });
  expect(refused.failure?.message).toContain("chain");
});

test("attack 1: a replayed call closes the session and is recorded, and the agent reconnects", async () => {
  await start();
  const session = await connect();
  const frame = session.channel.seal(desire(1, false));
  session.socket.send(frame);
  session.socket.send(frame);
  await session.closed;
  await connect();
  expect(readLog().map(({ record }) => [record.event, record.code])).toContainEqual([
    "envelope.refused",
    "ENVELOPE_SEQUENCE",
  ]);
});

test("identity rule 5: a new certificate is kept before the agent says that it has it", async () => {
  await start();
  const { hubId, agentId, key: agentKey } = hub.identity;
  const issued = await hub.authority.issueAgentCertificate({
    ...{ publicKey: createPublicKey(agentKey), hubId, agentId },
  });
  const body = encodeBody({ certificate: issued.certificate });
  const first = await connect();
  first.socket.send(first.channel.seal({ type: "certificate", body }));
  // A hub of release 0.1.0 would refuse a report with the serial number.
  const before = parsePackReportBody((await first.next()).body);
  expect(before.certificateSerial).toBeUndefined();
  first.socket.terminate();

  const session = await connect(OWN_PROTOCOL);
  session.socket.send(session.channel.seal({ type: "certificate", body }));
  let told = await session.next();
  while (told.header.type !== "pack-report") told = await session.next();
  const { certificateSerial } = parsePackReportBody(told.body);
  expect(certificateSerial).toBe(issued.serial);
  const kept = join(folder, "state", "identity", "certificate.pem");
  expect(readFileSync(kept, "utf8")).toBe(issued.certificate);
});

test("a second agent on the same state does not start", async () => {
  await start();
  const first = agent;
  await expect(start()).rejects.toMatchObject({ code: "STARTING_FAILED" });
  agent = first;
});

/** Connects to an agent whose hub knows attestation. */
async function connectAttesting(): Promise<TestSession> {
  const session = await hub.session();
  const welcome = { ...WELCOME, protocol: OWN_PROTOCOL };
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(welcome) }));
  parseHelloBody((await session.next()).body);
  return session;
}

const digestOfText = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const fileOf = ({ files }: AgentStatement, path: string) =>
  files.find((file) => file.path === join(folder, path));

test("attack 23: what changed on disk is in the next statement, and the hub is told of it", async () => {
  approve();
  writeFileSync(join(folder, "program.js"), "first");
  writeFileSync(join(folder, "runner.js"), "runner");
  writeFileSync(join(folder, "agent.json"), "{}");
  await start();
  const session = await connectAttesting();
  session.socket.send(session.channel.seal(desire(1)));
  while ((await nextState(session)) !== "active");
  const first = await attest(session);
  expect(fileOf(first, "program.js")).toMatchObject({
    ...{ kind: "program", sha256: digestOfText("first") },
  });
  expect(fileOf(first, "runner.js")).toMatchObject({ sha256: digestOfText("runner") });
  expect(fileOf(first, "trust.json")).toBeUndefined();
  expect(first.grants).toMatchObject([{ pack: "acme/hello", digest }]);
  expect(first.packs).toMatchObject([{ name: "acme/hello", digest }]);
  expect(first.packs[0]?.content).toBe(first.packs[0]?.verified);
  expect(first.processes).toMatchObject([
    { role: "agent", rights: { uids: [uid, uid, uid, uid] } },
    { role: "runner", rights: { noNewPrivs: true } },
  ]);

  mkdirSync(join(folder, "units/sonde-agent.service.d"), { recursive: true });
  mkdirSync(join(folder, "units/sonde-pack-.service.d"));
  const units = [
    "sonde-agent.service.d/x.conf",
    "sonde-pack-.service.d/x.conf",
    "sonde-pack-host@.service",
  ];
  for (const unit of units) writeFileSync(join(folder, "units", unit), "[Service]");
  writeFileSync(join(folder, "program.js"), "other");
  writeFileSync(join(folder, "trust.json"), "{}");
  rmSync(join(folder, "agent.json"));
  rmSync(join(folder, "grants/acme--hello.json"));
  const store = join(folder, "state/packs", digest.slice("sha256:".length));
  appendFileSync(join(store, "index.js"), "//");
  // Within the agent's own interval, and without being asked.
  for (let type = ""; type !== "host-changed"; type = (await session.next()).header.type);
  const second = await attest(session);
  expect(fileOf(second, "program.js")).toMatchObject({ sha256: digestOfText("other") });
  expect(fileOf(second, "trust.json")).toMatchObject({ kind: "trust" });
  for (const unit of units) {
    expect(fileOf(second, `units/${unit}`), unit).toMatchObject({ kind: "unit" });
  }
  expect(fileOf(second, "agent.json")).toBeUndefined();
  expect(second.grants).toEqual([]);
  expect(second.packs).toMatchObject([{ verified: first.packs[0]?.verified, content: null }]);
}, 30_000);

// Attack 20: the hub compares it with the head that it knows.
test("the hello has the agent's own entry where the hub saw one", async () => {
  const stop = async (): Promise<void> => {
    await agent?.close();
    agent = undefined;
  };
  await start();
  await connect();
  const dir = join(folder, "state", "audit");
  const own = () => readdirSync(dir).filter((name) => name.endsWith(".jsonl"));
  await expect
    .poll(() => own().flatMap((name) => readEntriesOf(join(dir, name))).length)
    .toBeGreaterThan(0);
  const [first] = own().flatMap((name) => readEntriesOf(join(dir, name)));
  await stop();
  const helloFor = async (agentHead: LogHead) => {
    await start();
    const session = await hub.session();
    const welcome = { ...WELCOME, protocol: OWN_PROTOCOL, agentHead };
    session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(welcome) }));
    const hello = parseHelloBody((await session.next()).body);
    await stop();
    return hello.seenHead;
  };
  // Whatever the hub says that it is: the agent states its own.
  const named = `sha256:${"0".repeat(64)}` as const;
  expect(await helloFor({ size: 1, hash: named })).toEqual({ size: 1, hash: first?.hash });
  expect(await helloFor({ size: 9_999, hash: named })).toBe(null);
});

const readEntriesOf = (path: string): AuditEntry[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditEntry);
