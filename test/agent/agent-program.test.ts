import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type AgentStatus, parseAgentStatus } from "@sonde/schemas/agent";
import { type AuditEntry } from "@sonde/schemas/audit";
import { type Manifest } from "@sonde/schemas/manifest";
import {
  type ApprovalsBody,
  encodeBody,
  type HubGrantsBody,
  OWN_PROTOCOL,
  parseHelloBody,
  parseResultBody,
  type ProtocolOffer,
  type ResultBody,
} from "@sonde/schemas/wire";
import { archiveDigest } from "@sonde/trust/archive";
import { verifyChain } from "@sonde/trust/chain";
import {
  buildAdmitProgram,
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  type SampleRegistry,
  signSample,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { writeIdentity } from "../../agent/daemon/src/edge/store/write-identity.ts";
import {
  startTestHub,
  type TestHub,
  type TestSession,
  WELCOME,
} from "../../agent/daemon/src/testing/test-hub.ts";
import { withListeningSocket } from "../../cli/src/start/listening-socket.ts";
import { createWorkshop, type Workshop } from "../../foundation/privileges/src/testing/workshop.ts";

// The bundled product as real processes: agent, runner, pack host and admit. When the tests run as
// root, the processes run as another user.

const text = { type: "string" } as const;
const none: Manifest["probes"][string]["params"] = {
  type: "object",
  properties: {},
  required: [],
  additionalProperties: false,
};
const probe = (read: string, capability: "observe" | "manage" = "observe") => ({
  description: "Shows what one file holds.",
  capability,
  params: none,
  result: {
    type: "object" as const,
    properties: { text },
    required: ["text"],
    additionalProperties: false as const,
  },
  reads: { it: { source: read } },
});
const guestCode = `var pack = { default: { run(name, { reads }) {
  if (name === "loops") for (;;);
  if (name === "each") return { text: JSON.stringify(reads.files) };
  if (name === "greedy") { const all = []; for (;;) all.push(new Array(1e7).fill(1.5)); }
  return { text: reads.it.samples.map(({ data }) => data.text ?? data.stdout ?? data.body ?? data.parts.map((part) => part.text).join("")).join("\\n") };
} } };\n`;

let workshop: Workshop;
let programs: Record<"agent" | "runner" | "packHost" | "admit", string>;
let secretFile: string;
let manifest: Manifest;
let archive: Uint8Array;
let hub: TestHub;
let folder: string;
const key = createSampleKey();
const children: ChildProcessWithoutNullStreams[] = [];
let registry: SampleRegistry;

beforeAll(async () => {
  workshop = await createWorkshop();
  const bundle = (name: string, path: string) => workshop.bundle(name, `import "./${path}";`);
  programs = {
    agent: await bundle("agent", "agent/daemon/src/main.ts"),
    runner: await bundle("runner", "agent/runner/src/main.ts"),
    packHost: await bundle("pack-host", "agent/runner/src/pack-host/main.ts"),
    admit: join(workshop.folder, "admit.cjs"),
  };
  await buildAdmitProgram(programs.admit);
  secretFile = join(workshop.folder, "app.conf");
  writeFileSync(secretFile, "user=app\nDB_PASSWORD=hunter2\n", { mode: 0o644 });
  const file = (path: string, maxBytes = 4096) =>
    ({ kind: "file", path, timeoutMs: 500, maxBytes }) as const;
  const windows = writeWindows();
  const many = writeNamedFiles();
  manifest = buildSampleManifest({
    manifest: 2,
    sources: {
      names: {
        ...{ kind: "directory", path: many, names: "all", maxEntries: 100 },
        ...{ timeoutMs: 500, maxBytes: 4096 },
      },
      named: {
        ...{ kind: "file", path: [{ hole: "file" }], timeoutMs: 500, maxBytes: 4096 },
        holes: { file: { type: "path-beneath", root: many } },
      },
      load: file("/proc/loadavg"),
      absent: file("/proc/nothing"),
      leaky: file(secretFile),
      tailed: { ...file(windows.file), tailBytes: windows.lastLines },
      capped: file(windows.file, windows.untilToken),
      searched: {
        ...{ kind: "lines", path: windows.file, newest: 9, contains: "second", searchBytes: 1e9 },
        ...{ timeoutMs: 2000, maxBytes: 4096 },
      },
      acting: {
        kind: "http",
        socket: join(workshop.folder, "acting.sock"),
        path: "/status",
        timeoutMs: 500,
        maxBytes: 4096,
      },
      sampled: {
        ...file(windows.file),
        tailBytes: windows.lastLines,
        samples: { count: 2, intervalMs: 50 },
      },
      printed: {
        kind: "exec",
        command: "cat",
        argv: [windows.file],
        timeoutMs: 2000,
        maxBytes: windows.untilToken,
      },
    },
    requires: {
      groups: [],
      commands: [`cat ${windows.file}`],
      files: [
        ...["/proc/loadavg", "/proc/nothing", secretFile, windows.file, many, `${many}/**`],
      ].sort(),
      sockets: [`${join(workshop.folder, "acting.sock")} GET /status`],
    },
    probes: {
      load: probe("load"),
      absent: probe("absent"),
      leaky: probe("leaky"),
      tailed: probe("tailed"),
      capped: probe("capped"),
      sampled: probe("sampled"),
      searched: probe("searched"),
      printed: probe("printed", "manage"),
      acting: probe("acting", "manage"),
      each: {
        ...probe("names"),
        reads: {
          names: { source: "names" },
          files: {
            source: "named",
            forEach: { read: "names", at: "entries.*.name", hole: "file", atMost: 4 },
          },
        },
      },
      loops: probe("load"),
      greedy: probe("load"),
      above: probe("load", "manage"),
    },
  });
  archive = buildSampleArchive({ manifest, code: guestCode });
  registry = await startSampleRegistry();
  registry.publish(archive, signSample(archive, key));
});
afterAll(async () => {
  await registry.close();
  workshop.close();
});

beforeEach(async () => {
  hub = await startTestHub();
  folder = join(workshop.folder, randomUUID().slice(0, 8));
  for (const [name, mode, mine] of [
    ["", 0o755, false],
    ["grants", 0o755, false],
    ["state", 0o711, true],
    ["sockets", 0o700, true],
  ] as const) {
    const path = join(folder, name);
    mkdirSync(path);
    chmodSync(path, mode);
    if (mine) chownSync(path, workshop.uid, workshop.uid);
  }
  const { key: agentKey, hubKey, certificate, ca, ...file } = hub.identity;
  const identity = join(folder, "state", "identity");
  writeIdentity(identity, {
    key: agentKey.export({ format: "pem", type: "pkcs8" }).toString(),
    certificate,
    ca,
    identity: { ...file, hubKey: hubKey.export({ format: "pem", type: "spki" }).toString() },
  });
  for (const path of [identity, ...readdirSync(identity).map((name) => join(identity, name))]) {
    chownSync(path, workshop.uid, workshop.uid);
  }
  const policy = buildSamplePolicy({ acme: [key] });
  write("trust.json", { ...policy, registry: registry.url, logKey: registry.logKey });
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(stop));
  await hub.close();
});

function write(name: string, value: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(value), { mode: 0o644 });
  return path;
}

function agentConfig(changes: object = {}): object {
  return {
    stateDir: join(folder, "state"),
    grantsDir: join(folder, "grants"),
    trustPolicyPath: join(folder, "trust.json"),
    admitPath: programs.admit,
    runners: [{ socketPath: runnerSocket(), groups: [] }],
    maxCapability: "observe",
    sameUid: true,
    supervised: true,
    ...changes,
  };
}

const runnerSocket = () => join(folder, "sockets", "runner.sock");

/** @param handedOver a listening socket, which becomes descriptor 3 */
function launch(program: string, config: string, ...handedOver: number[]) {
  const [command = "", ...args] = workshop.unprivileged(["--no-node-snapshot", program, config]);
  const stdio = ["pipe", "pipe", "pipe", ...handedOver] as const;
  const child = spawn(command, args, { cwd: "/", stdio: [...stdio] });
  children.push(child as ChildProcessWithoutNullStreams);
  return child as ChildProcessWithoutNullStreams;
}

async function stop(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(late);
  return child.exitCode;
}

async function startAgent(changes: object = {}): Promise<ChildProcessWithoutNullStreams> {
  const child = launch(programs.agent, write("agent.json", agentConfig(changes)));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), once(child, "exit")]);
  if (typeof first[0] !== "string") throw new Error(`the agent ended: ${errors}`);
  const said = JSON.parse(first[0]) as { error?: { code: string; message: string } };
  if (said.error !== undefined) throw new Error(`${said.error.code} ${said.error.message}`);
  expect(said).toMatchObject({ ready: true, name: "web-1" });
  return child;
}

function startRunner(changes: object = {}): ChildProcessWithoutNullStreams {
  const config = write("runner.json", {
    ...changes,
    packHostPath: programs.packHost,
    denyPaths: [join(folder, "state")],
    grantsDir: join(folder, "grants"),
    sameUid: true,
    supervised: true,
  });
  const owner = process.getuid?.() === 0 ? { uid: workshop.uid, gid: workshop.uid } : null;
  const runner = withListeningSocket({ path: runnerSocket(), owner }, (fd) =>
    launch(programs.runner, config, fd),
  );
  runner.stderr.resume();
  return runner;
}

/** @returns what the agent logs about the configuration that it then finds */
async function hangUp(
  agent: ChildProcessWithoutNullStreams | undefined,
  changes: object,
): Promise<unknown> {
  if (agent === undefined) throw new Error("no agent");
  write("agent.json", agentConfig(changes));
  const lines = createInterface({ input: agent.stderr });
  agent.kill("SIGHUP");
  for await (const line of lines) {
    if (line.includes('"config.')) return JSON.parse(line);
  }
  throw new Error("the agent ended");
}

async function connect(protocol?: ProtocolOffer): Promise<TestSession> {
  const session = await hub.session();
  const welcome = protocol === undefined ? WELCOME : { ...WELCOME, protocol };
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(welcome) }));
  parseHelloBody((await session.next()).body);
  return session;
}

/** A session whose agent has the pack active. */
async function serve(changes: object = {}, grant: object = {}): Promise<TestSession> {
  write("grants/acme--hello.json", {
    pack: "acme/hello",
    digest: archiveDigest(archive),
    requires: manifest.requires,
    approvedBy: "root",
    approvedAt: "2026-01-01T00:00:00.000Z",
    ...grant,
  });
  await startAgent(changes);
  startRunner();
  const session = await connect();
  const packs = [{ name: "acme/hello", version: "1.0.0", digest: archiveDigest(archive) }];
  const body = { revision: 1, packs };
  session.socket.send(session.channel.seal({ type: "desired-state", body: encodeBody(body) }));
  for (;;) {
    const report = (await session.next()).body as { packs: { state: string }[] };
    if (report.packs[0]?.state === "active") return session;
  }
}

function send(session: TestSession, name: string, timeoutMs = 8000): void {
  const id = `acme/hello.${name}`;
  session.socket.send(
    session.channel.seal({
      type: "call",
      callId: randomUUID(),
      principal: "key:a",
      probe: id,
      packDigest: archiveDigest(archive),
      body: encodeBody({ probe: id, params: {}, timeoutMs }),
    }),
  );
}

async function call(session: TestSession, name: string, timeoutMs?: number): Promise<ResultBody> {
  send(session, name, timeoutMs);
  return await nextResult(session);
}

/** A report of packs may come before the answer. */
async function nextResult(session: TestSession): Promise<ResultBody> {
  for (;;) {
    const message = await session.next();
    if (message.header.type === "result") return parseResultBody(message.body);
  }
}

function status(): Promise<AgentStatus> {
  const socketPath = join(folder, "state", "run", "agent.sock");
  return new Promise((resolve, reject) => {
    request({ socketPath, path: "/status" }, (response) => {
      response.on("data", (chunk: Buffer) =>
        resolve(parseAgentStatus(JSON.parse(chunk.toString()))),
      );
    })
      .on("error", reject)
      .end();
  });
}

function readLog(): AuditEntry[] {
  const dir = join(folder, "state", "audit");
  const names = readdirSync(dir).filter((name) => name.endsWith(".jsonl"));
  return names
    .sort()
    .flatMap((name) => readFileSync(join(dir, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as AuditEntry);
}

test("a call is answered through runner and pack host, scrubbed and recorded", async () => {
  const session = await serve();
  const load = await call(session, "load");
  expect(load.failure).toBeUndefined();
  expect(load.data?.["text"]).toMatch(/^\d+\.\d+ \d+\.\d+/);
  expect(load.reads).toMatchObject([{ name: "it", what: "file /proc/loadavg" }]);
  expect(load.reads[0]?.bytes).toBeGreaterThan(10);

  const leaky = await call(session, "leaky");
  expect(leaky.data).toEqual({ text: "user=app\nDB_PASSWORD=[redacted:password#1]\n" });
  expect(leaky.redactions).toEqual({ count: 1, rules: { password: 1 } });
  expect((await call(session, "absent")).failure?.code).toBe("SOURCE_NOT_FOUND");
  expect((await call(session, "above")).failure?.code).toBe("CAPABILITY_ABOVE_CEILING");

  const log = readLog();
  expect(verifyChain(log).size).toBe(log.length);
  expect(JSON.stringify(log)).not.toContain("hunter2");
  const calls = log.flatMap(({ record }) =>
    record.event.startsWith("call.") ? [[record.event, record.code]] : [],
  );
  expect(calls).toEqual([
    ["call.request", null],
    ["call.response", null],
    ["call.request", null],
    ["call.response", null],
    ["call.request", null],
    ["call.response", "SOURCE_NOT_FOUND"],
    ["call.denied", "CAPABILITY_ABOVE_CEILING"],
  ]);
  expect(await status()).toMatchObject({ connected: true, wall: "same-uid" });
});

// Attacks 50, 51 and 53.
test("a read for each name of a folder: hostile names lead nowhere, and each read is recorded first", async () => {
  const { path } = manifest.sources["names"] as { path: string };
  const session = await serve();
  const answer = await call(session, "each");
  expect(answer.failure).toBeUndefined();
  const { each, ...counts } = JSON.parse(String(answer.data?.["text"])) as {
    each: { value: string; outcome: { ok: boolean; failure?: { code: string } } }[];
  };
  // One with a line end, one that begins as an option does, and one above the most.
  expect(counts).toEqual({ ok: true, leftOutCount: 1, unfitCount: 2 });
  expect(each.map(({ value, outcome }) => [value, outcome.ok || outcome.failure?.code])).toEqual([
    [`${path}/a.conf`, true],
    [`${path}/closed`, process.getuid?.() === 0 ? "PERMISSION_NEEDED" : true],
    [`${path}/folder`, "READ_FAILED"],
    [`${path}/link`, "READ_FAILED"],
  ]);
  expect(JSON.stringify(answer)).toContain("DB_PASSWORD=[redacted");
  expect(JSON.stringify(answer)).not.toContain("hunter2");
  expect(answer.truncated).toBe(true);
  const exact = each.map(({ value }) => `file ${value}`);
  expect(answer.reads.map(({ name, what }) => [name, what])).toEqual([
    ["names", `directory ${path}/*`],
    ...exact.map((what) => ["files", what]),
  ]);
  const log = readLog().map(({ record }) => record);
  const [form, found] = log.filter(({ event }) => /^call\.re(quest|ads)$/.test(event));
  expect(form?.detail["reads"]).toEqual([
    `directory ${path}/*`,
    "file <file>, for each <file> at entries.*.name of names, at most 4",
  ]);
  expect(found).toMatchObject({ event: "call.reads", detail: { reads: exact, leftOutCount: 1 } });
  const told = await status();
  expect(JSON.stringify(told)).not.toContain("hunter2");
});

test("what was withheld is refused with the command that grants it, and the rest is answered", async () => {
  const only = { groups: [], commands: [], sockets: [], files: ["/proc/loadavg"] };
  const { files, commands, sockets } = manifest.requires;
  const rest = files.filter((path) => path !== "/proc/loadavg");
  const session = await serve(
    {},
    { requires: only, withheld: { ...only, files: rest, commands, sockets } },
  );
  expect((await call(session, "load")).status).toBe("ok");
  const { failure } = await call(session, "leaky");
  expect(failure?.code).toBe("READ_NOT_GRANTED");
  expect(failure?.message).toContain(
    `file ${join(workshop.folder, "app.conf")} was not granted; run: sonde agent approve acme/hello --ask-each`,
  );
});

test("a grant that is gone counts at the runner at once, whatever the agent still holds", async () => {
  const session = await serve();
  expect((await call(session, "load")).status).toBe("ok");
  rmSync(join(folder, "grants/acme--hello.json"));
  const { failure } = await call(session, "load");
  expect(failure).toMatchObject({
    code: "READ_NOT_GRANTED",
    message: expect.stringContaining("expected a grant of this host for file /proc/loadavg"),
  });
});

// Attack 25: a service may act on a GET, so a request counts as a look only by a table.
test("a GET that no table lists is above the ceiling, unless root on the host lists it", async () => {
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    response.end("acted");
  });
  const socket = join(workshop.folder, "acting.sock");
  await new Promise<void>((done) => server.listen(socket, done));
  chmodSync(socket, 0o666);
  try {
    const refused = await call(await serve(), "acting");
    expect([refused.failure?.code, requests]).toEqual(["CAPABILITY_ABOVE_CEILING", 0]);
    await Promise.all(children.splice(0).map(stop));
    await startAgent({ alsoReadOnly: [`socket ${socket} GET /status`] });
    startRunner();
    const session = await connect();
    await vi.waitFor(async () => {
      expect((await call(session, "acting")).data).toEqual({ text: "acted" });
    }, 10_000);
  } finally {
    server.close();
  }
});

test("what a pattern of the configuration matches leaves the host as its marker", async () => {
  const user = { name: "user", pattern: "(?i)USER=[a-z]+", example: "user=ada" };
  const session = await serve({ scrub: { patterns: [user] } });
  const leaky = await call(session, "leaky");
  expect(leaky.data).toEqual({
    text: "[redacted:own-user#2]\nDB_PASSWORD=[redacted:password#1]\n",
  });
  expect(leaky.redactions.rules).toEqual({ "own-user": 1, password: 1 });
});

const TOKEN = `ghp_${"a1B2".repeat(9)}`;

/** A folder with names as a stranger may choose them. */
function writeNamedFiles(): string {
  const path = join(workshop.folder, "many.d");
  mkdirSync(path, { mode: 0o755 });
  mkdirSync(join(path, "folder"));
  for (const name of ["a.conf", "closed", "-rf", "x\ny", "z"]) {
    const mode = name === "closed" ? 0o600 : 0o644;
    writeFileSync(join(path, name), "DB_PASSWORD=hunter2\n", { mode });
  }
  symlinkSync(secretFile, join(path, "link"));
  // Root alone could make a link that is followed.
  chownSync(path, workshop.uid, workshop.uid);
  return path;
}

/** A file with secrets at the edges of the windows in which a pack reads it. */
function writeWindows() {
  const file = join(workshop.folder, "edges.conf");
  const start = `# token ${TOKEN} of the deployment\n`;
  const end = "    second-half-7d6c\nport: 1\n";
  writeFileSync(file, `${start}vault:\n  password: |\n    first-half-9f8e\n${end}`, {
    mode: 0o644,
  });
  return { file, lastLines: end.length, untilToken: "# token ghp_a1B2a1B2a1".length };
}

// Attack 53.
test("a window that begins or ends inside a secret shows nothing of it", async () => {
  const session = await serve({ maxCapability: "manage" });
  const password = "[redacted:password#1]\nport: 1\n";
  const token = "# token [redacted:github-token#1]";
  for (const [name, shown] of [
    ["tailed", password],
    ["sampled", `${password}\n${password}`],
    ["capped", token],
    ["printed", token],
  ] as const) {
    const { data, failure, redactions } = await call(session, name);
    expect([name, failure, data]).toEqual([name, undefined, { text: shown }]);
    expect(redactions?.count).toBeGreaterThan(0);
  }
  // What was searched for stands in the secret, and is not found.
  const { data, redactions } = await call(session, "searched");
  expect([data, redactions?.count]).toEqual([{ text: "" }, 0]);
});

test("SIGHUP takes over patterns and ceiling while calls run, and names what waits for a restart", async () => {
  const session = await serve();
  const [agent] = children;
  const running = call(session, "loops", 20_000);
  const user = { name: "user", pattern: "(?i)USER=[a-z]+", example: "user=ada" };
  const next = { scrub: { patterns: [user] }, maxCapability: "manage", agentName: "other" };
  expect(await hangUp(agent, next)).toMatchObject({
    event: "config.reloaded",
    message: "taken over: maxCapability, scrub.patterns; restart to apply: agentName",
  });
  expect((await running).failure?.code).toBe("PACK_TIMEOUT");
  expect((await call(session, "leaky")).redactions.rules).toEqual({ "own-user": 1, password: 1 });
  expect((await call(session, "above")).status).toBe("ok");
  expect(await status()).toMatchObject({ connected: true, maxCapability: "manage" });
  expect(agent?.exitCode).toBeNull();
});

test.each([
  ["has an unknown key", { extra: 1 }],
  [
    "has a pattern that its example does not fit",
    { scrub: { patterns: [{ name: "a", pattern: "b", example: "c" }] } },
  ],
  ["names no trust policy", { trustPolicyPath: "/nonexistent" }],
])("a file that %s changes nothing at SIGHUP, and the log says why", async (_what, wrong) => {
  const session = await serve();
  const [agent] = children;
  expect(await hangUp(agent, { maxCapability: "manage", ...wrong })).toMatchObject({
    event: "config.not-reloaded",
    code: "CONFIG_INVALID",
    message: expect.stringMatching(/^nothing was changed: /),
  });
  expect((await call(session, "above")).failure?.code).toBe("CAPABILITY_ABOVE_CEILING");
  expect((await call(session, "load")).status).toBe("ok");
});

test("attack 46: a pack that loops or exhausts memory fails its call, and the next call is answered", async () => {
  const session = await serve();
  expect((await call(session, "loops", 20_000)).failure?.code).toBe("PACK_TIMEOUT");
  expect((await call(session, "load")).status).toBe("ok");
  expect(["PACK_CRASHED", "PACK_TIMEOUT"]).toContain(
    (await call(session, "greedy", 20_000)).failure?.code,
  );
  expect((await call(session, "load")).status).toBe("ok");
});

test("attack 62: killed in the middle of calls, the agent comes back with every acknowledged entry", async () => {
  const session = await serve();
  const first = await call(session, "load");
  const [agent] = children;
  for (let index = 0; index < 20; index += 1) send(session, "load");
  await session.next();
  agent?.kill("SIGKILL");
  await session.closed;
  await startAgent();
  const again = await connect();
  const answer = await vi.waitFor(async () => {
    const result = await call(again, "load");
    expect(result.status).toBe("ok");
    return result;
  }, 20_000);
  const log = readLog();
  expect(verifyChain(log)).toEqual(answer.auditHead);
  expect(log[first.auditHead.size - 1]?.hash).toBe(first.auditHead.hash);
});

const LOAD = "file /proc/loadavg";
const commands = () => manifest.requires.commands.map((command) => `command ${command}`);
/** A list of the hub that grants what `load` reads, and more than a host lets it. */
const grantLoad = (given: number, revision = given): HubGrantsBody => ({
  revision,
  grants: [
    {
      ...{ pack: "acme/hello", digest: archiveDigest(archive), by: "person:ada", byName: "Ada" },
      ...{ items: [LOAD, `file ${secretFile}`, ...commands()], given },
    },
  ],
});

/**
 * Sends the hub's list, and resolves with what the agent says of it.
 *
 * @param revision that the agent then has
 */
async function give(
  session: TestSession,
  body: HubGrantsBody,
  revision = body.revision,
): Promise<ApprovalsBody> {
  session.socket.send(session.channel.seal({ type: "hub-grants", body: encodeBody(body) }));
  return await nextApprovals(session, (said) => said.revision === revision);
}

async function nextApprovals(
  session: TestSession,
  isWanted: (body: ApprovalsBody) => boolean,
): Promise<ApprovalsBody> {
  for (;;) {
    const { header, body } = await session.next();
    if (header.type === "approvals" && isWanted(body as ApprovalsBody))
      return body as ApprovalsBody;
  }
}

const byHubOf = ({ packs }: ApprovalsBody) => packs[0]?.byHub;
const mayGrant = { approvals: { hubMayGrant: ["/proc"] } };

/** A session whose agent has the pack, with nothing granted on its host. */
async function servePending(): Promise<TestSession> {
  await startAgent();
  startRunner(mayGrant);
  const session = await connect(OWN_PROTOCOL);
  const packs = [{ name: "acme/hello", version: "1.0.0", digest: archiveDigest(archive) }];
  const body = { revision: 1, packs };
  session.socket.send(session.channel.seal({ type: "desired-state", body: encodeBody(body) }));
  const said = await nextApprovals(session, ({ packs: known }) => known.length > 0);
  expect(byHubOf(said)).toEqual([]);
  return session;
}

// Attack 80.
test("what the hub grants within what the host lets it serves, also after a SIGKILL and without the hub's word", async () => {
  const session = await servePending();
  expect((await call(session, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  const said = await give(session, grantLoad(10));
  expect(said).toMatchObject({ revision: 10, packs: [{ byHost: [], byHub: [LOAD] }] });
  expect((await call(session, "load")).failure).toBeUndefined();
  // More than the host lets the hub grant: refused by agent and, were it not, by the runner.
  for (const name of ["leaky", "printed", "acting"]) {
    expect((await call(session, name)).status, name).toBe("failure");
  }
  const [agent] = children;
  agent?.kill("SIGKILL");
  await session.closed;
  const again = await startAgent();
  const back = await connect(OWN_PROTOCOL);
  expect((await vi.waitFor(() => call(back, "load"), 20_000)).failure).toBeUndefined();
  expect((await status()).hubGrants).toMatchObject({
    packs: [{ pack: "acme/hello", by: "Ada at the hub (person:ada)" }],
  });
  // The host's own word wins at once.
  await hangUp(again, { approvals: { hubMayGrant: "none" } });
  expect((await call(back, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  await hangUp(again, {});
  expect((await call(back, "load")).failure).toBeUndefined();
  writeFileSync(join(folder, "grants", "acme--hello.revoked"), "");
  expect((await call(back, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  expect((await give(back, grantLoad(20))).packs).toMatchObject([{ byHub: [], refused: true }]);
});

// Attacks 1, 5 and 80.
test("the hub's list is refused when it is an older one, or its copy on disk is another's", async () => {
  const session = await servePending();
  await give(session, grantLoad(10));
  expect(byHubOf(await give(session, { revision: 20, grants: [] }))).toEqual([]);
  expect((await call(session, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  // Replayed whole, and as part of a later list: what was taken back stays so.
  expect(byHubOf(await give(session, grantLoad(10), 20))).toEqual([]);
  expect(byHubOf(await give(session, grantLoad(10, 30)))).toEqual([]);
  expect((await call(session, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  const { digest } = grantLoad(40).grants[0] ?? { digest: "" };
  const other = grantLoad(40);
  const elsewhere = other.grants.map((grant) => ({ ...grant, digest: digest.replace(/.$/, "0") }));
  expect(byHubOf(await give(session, { ...other, grants: elsewhere }))).toEqual([]);
  expect(byHubOf(await give(session, grantLoad(50)))).toEqual([LOAD]);

  const [agent] = children;
  agent?.kill("SIGKILL");
  await session.closed;
  const path = join(folder, "state", "identity", "hub-grants.json");
  const kept = JSON.parse(readFileSync(path, "utf8")) as { message: { body: string } };
  const forged = grantLoad(50);
  forged.grants[0]?.items.push("file /proc/nothing");
  kept.message.body = Buffer.from(JSON.stringify(forged)).toString("base64");
  writeFileSync(path, JSON.stringify(kept));
  await startAgent();
  const back = await connect(OWN_PROTOCOL);
  expect((await call(back, "load")).failure?.code).toBe("PACK_NOT_ACTIVE");
  const refusals = readLog().filter(({ record }) => record.event === "hub-grants.refused");
  expect(refusals.map(({ record }) => record.code)).toEqual([
    ...["HUB_ROLLED_BACK", "HUB_ROLLED_BACK", "ENVELOPE_SIGNATURE"],
  ]);
});

test("what root allows is recorded, each change of it once, and at each connection with the digests", async () => {
  const eventsOf = (...names: string[]) =>
    readLog().flatMap(({ record }) => (names.includes(record.event) ? [record.detail] : []));
  const observe = { maxCapability: "observe", alsoReadOnly: [] };
  const listed = { maxCapability: "manage", alsoReadOnly: ["socket /a GET /b"] };
  const session = await serve();
  expect(eventsOf("ceiling.changed")).toEqual([{ from: null, to: observe }]);
  const [connected] = eventsOf("agent.connected");
  expect(connected).toMatchObject({
    maxCapability: "observe",
    binarySha256: expect.stringMatching(/^sha256:/),
    configSha256: expect.stringMatching(/^sha256:/),
    packs: [],
  });
  const [first] = eventsOf("trust.changed") as [{ from: null; to: { sha256: string } }];
  const policy = { ...buildSamplePolicy({}), registry: registry.url, logKey: registry.logKey };
  write("trust.json", policy);
  await vi.waitFor(() => expect(eventsOf("trust.changed")).toHaveLength(2), 15_000);
  expect(eventsOf("trust.changed")[1]).toMatchObject({ from: first.to });

  let [agent] = children;
  let last = session;
  for (const times of [2, 3]) {
    await stop(agent as ChildProcessWithoutNullStreams);
    await last.closed;
    agent = await startAgent(listed);
    last = await connect();
    await vi.waitFor(() => expect(eventsOf("agent.connected")).toHaveLength(times));
    expect(eventsOf("agent.connected").at(-1)).toMatchObject({
      maxCapability: "manage",
      packs: [{ name: "acme/hello", digest: archiveDigest(archive) }],
    });
  }
  expect(eventsOf("ceiling.changed").slice(1)).toEqual([{ from: observe, to: listed }]);
  expect(eventsOf("trust.changed")).toHaveLength(2);
  last.socket.close();
});

test("without a runner a call is refused in time; with a new runner it is answered", async () => {
  const session = await serve();
  const runner = children[1];
  runner?.kill("SIGKILL");
  await once(runner as ChildProcessWithoutNullStreams, "exit");
  const refused = await call(session, "load", 1000);
  expect(["RUNNER_UNAVAILABLE", "CALL_TIMEOUT"]).toContain(refused.failure?.code);
  startRunner();
  await vi.waitFor(async () => expect((await call(session, "load")).status).toBe("ok"), 20_000);
});

test("the agent ends on SIGTERM, and with its supervisor", async () => {
  expect(await stop(await startAgent())).toBe(0);
  const child = await startAgent();
  const ended = once(child, "exit");
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
});

test.each([
  ["an unknown key", { extra: 1 }, "CONFIG_INVALID"],
  ["a relative path", { stateDir: "state" }, "CONFIG_INVALID"],
  [
    "a pattern that its example does not fit",
    { scrub: { patterns: [{ name: "badge", pattern: "BADGE-[0-9]+", example: "BADGE" }] } },
    "CONFIG_INVALID.*scrub pattern badge: expected the pattern to match its example",
  ],
  ["no identity", { stateDir: "/tmp" }, "STARTING_FAILED"],
])("with %s it does not start and says why", async (_, changes, code) => {
  await expect(startAgent(changes)).rejects.toThrow(new RegExp(code));
});

test("layer 1: as root, or able to gain rights, it does not start", () => {
  const config = write("agent.json", agentConfig());
  const { status: exit, stderr } = spawnSync(process.execPath, [programs.agent, config]);
  expect(exit).toBe(1);
  expect(stderr.toString()).toContain("PRIVILEGE_REFUSED");
  rmSync(config);
});
