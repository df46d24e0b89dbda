import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type AgentStatus, parseAgentStatus } from "@sonde/schemas/agent";
import { type AuditEntry } from "@sonde/schemas/audit";
import { type Manifest } from "@sonde/schemas/manifest";
import { type ResultBody, parseHelloBody, parseResultBody, encodeBody } from "@sonde/schemas/wire";
import { archiveDigest } from "@sonde/trust/archive";
import { verifyChain } from "@sonde/trust/chain";
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
import { writeIdentity } from "../../agent/daemon/src/edge/store/write-identity.ts";
import { type Workshop, createWorkshop } from "../../foundation/privileges/src/testing/workshop.ts";
import {
  type TestHub,
  type TestSession,
  WELCOME,
  startTestHub,
} from "../../agent/daemon/src/testing/test-hub.ts";

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
  if (name === "greedy") { const all = []; for (;;) all.push(new Array(1e7).fill(1.5)); }
  return { text: reads.it.samples[0].data.text };
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
  const file = (path: string) => ({ kind: "file", path, timeoutMs: 500, maxBytes: 4096 }) as const;
  manifest = buildSampleManifest({
    sources: {
      load: file("/proc/loadavg"),
      absent: file("/proc/nothing"),
      leaky: file(secretFile),
    },
    requires: {
      groups: [],
      commands: [],
      files: ["/proc/loadavg", "/proc/nothing", secretFile].sort(),
      sockets: [],
    },
    probes: {
      load: probe("load"),
      absent: probe("absent"),
      leaky: probe("leaky"),
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
    runnerSocketPath: join(folder, "sockets", "runner.sock"),
    maxCapability: "observe",
    sameUid: true,
    supervised: true,
    ...changes,
  };
}

function launch(program: string, config: string): ChildProcessWithoutNullStreams {
  const [command = "", ...args] = workshop.unprivileged(["--no-node-snapshot", program, config]);
  const child = spawn(command, args, { cwd: "/" });
  children.push(child);
  return child;
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
  expect(JSON.parse(first[0])).toMatchObject({ ready: true, name: "web-1" });
  return child;
}

function startRunner(): ChildProcessWithoutNullStreams {
  const config = write("runner.json", {
    socketPath: join(folder, "sockets", "runner.sock"),
    packHostPath: programs.packHost,
    denyPaths: [join(folder, "state")],
  });
  const runner = launch(programs.runner, config);
  runner.stderr.resume();
  return runner;
}

async function connect(): Promise<TestSession> {
  const session = await hub.session();
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  parseHelloBody((await session.next()).body);
  return session;
}

/** A session whose agent has the pack active. */
async function serve(): Promise<TestSession> {
  write("grants/acme--hello.json", {
    pack: "acme/hello",
    digest: archiveDigest(archive),
    requires: manifest.requires,
    approvedBy: "root",
    approvedAt: "2026-01-01T00:00:00.000Z",
  });
  await startAgent();
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
  return parseResultBody((await session.next()).body);
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
  expect(leaky.data).toEqual({ text: "user=app\nDB_PASSWORD=[redacted:password]\n" });
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
  ["no identity", { stateDir: "/tmp" }, "STARTING_FAILED"],
])("with %s it does not start and says why", async (_, changes, code) => {
  await expect(startAgent(changes)).rejects.toThrow(code);
});

test("layer 1: as root, or able to gain rights, it does not start", () => {
  const config = write("agent.json", agentConfig());
  const { status: exit, stderr } = spawnSync(process.execPath, [programs.agent, config]);
  expect(exit).toBe(1);
  expect(stderr.toString()).toContain("PRIVILEGE_REFUSED");
  rmSync(config);
});
