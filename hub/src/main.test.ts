import { type ChildProcess, spawn } from "node:child_process";
import {
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  X509Certificate,
} from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  mkdtempSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { openDatabase } from "@sonde/database";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import { buildHello } from "@sonde/schemas/testing";
import { type TrustPolicy } from "@sonde/schemas/trust";
import {
  AGENT_CERTIFICATE_MS,
  MAX_PACKS,
  encodeBody,
  parseCertificateBody,
} from "@sonde/schemas/wire";
import { archiveDigest, digestOf } from "@sonde/trust/archive";
import { openAuthority } from "@sonde/trust/ca";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  type Channel,
  createChannel,
  createSigningKey,
  deriveSessionId,
  type Incoming,
  keyIdOf,
  NONCE_BYTES,
} from "@sonde/trust/envelope";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import {
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  type SampleRegistry,
  signSample,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Sql } from "postgres";
import { WebSocket } from "ws";
import { createAgentChanges } from "./agents/edge/agent-changes.ts";
import { createEnrolmentStore } from "./agents/edge/enrolment-store.ts";
import { createPackStore } from "./catalog/edge/pack-store.ts";
import { type Directory, openDirectory } from "./directory/index.ts";
import { migrations } from "./migrations.ts";

// The hub as a real process over a real PostgreSQL. Under root it runs as nobody.
const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;
const account = asRoot ? { uid: NOBODY, gid: NOBODY } : {};
const root = mkdtempSync(join(tmpdir(), "sonde-hub-"));
const at = (...parts: string[]) => join(root, ...parts);
const workspace = resolve(import.meta.dirname, "../..");
const AGENT = "web-1";
const FULL_AGENT = "web-2";
const DAY_MS = 24 * 3_600_000;

type Ready = { hubId: string; http: number; control: number };
let database: TestDatabase;
let hub: { child: ChildProcess; ready: Ready };
let operatorKey: string;
/** The agent's key, and a certificate with more than half of its lifetime over. */
let agent: { id: string; key: ReturnType<typeof generateKeyPairSync>; certificate: string };

const acme = createSampleKey();
const archive = buildSampleArchive();
const digest = archiveDigest(archive);
let registry: SampleRegistry;

function writeTrust(publishers: Parameters<typeof buildSamplePolicy>[0]): void {
  const policy: TrustPolicy = buildSamplePolicy(publishers, {
    registry: registry.url,
    logKey: registry.logKey,
  });
  writeFileSync(at("trust.json"), JSON.stringify(policy), { mode: 0o644 });
}

async function startHub(): Promise<typeof hub> {
  const child = spawn(
    process.execPath,
    ["--conditions=sonde:source", join(import.meta.dirname, "main.ts"), at("hub.json")],
    { ...account, cwd: root, stdio: ["pipe", "pipe", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ready = await new Promise<Ready>((done, fail) => {
    let line = "";
    child.stdout.on("data", (chunk: Buffer) => {
      line += chunk.toString();
      if (line.includes("\n")) done(JSON.parse(line) as Ready);
    });
    child.once("close", (code) => fail(new Error(`the hub ended with ${code}: ${line}${said}`)));
  });
  return { child, ready };
}

async function stopHub(): Promise<void> {
  const ended = new Promise((done) => hub.child.once("close", done));
  hub.child.kill("SIGTERM");
  await ended;
}

beforeAll(async () => {
  chmodSync(root, 0o755);
  mkdirSync(at("data"));
  if (asRoot) chownSync(at("data"), NOBODY, NOBODY);
  registry = await startSampleRegistry();
  registry.publish(archive, signSample(archive, acme));
  writeTrust({ acme: [acme] });
  // An installation runs a bundle; the test runs the sources.
  const program = JSON.stringify(join(workspace, "foundation/trust/src/admit/main.ts"));
  writeFileSync(
    at("admit.mjs"),
    `import { spawnSync } from "node:child_process";
     const args = ["--conditions=sonde:source", ${program}];
     process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;\n`,
  );
  database = await startTestDatabase();
  writeFileSync(
    at("hub.json"),
    JSON.stringify({
      dataDir: at("data"),
      databaseUrl: database.url,
      http: { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: [] },
      agents: { host: "127.0.0.1", enrolPort: 0, controlPort: 0, names: ["localhost"] },
      trustPolicyPath: at("trust.json"),
      admitPath: at("admit.mjs"),
      callTimeoutMs: 1000,
      supervised: true,
    }),
  );
  // The first start makes the keys. The agent enrolled four days ago.
  hub = await startHub();
  operatorKey = readFileSync(at("data", "operator-key"), "utf8").trim();
  await stopHub();
  await enrolFourDaysAgo(hub.ready.hubId);
  hub = await startHub();
});
afterAll(async () => {
  if (hub !== undefined && hub.child.exitCode === null) await stopHub();
  await registry?.close();
  await database?.close();
  rmSync(root, { recursive: true, force: true });
});

const openHubDatabase = () =>
  openDatabase({
    ...{ dataDir: "/nonexistent", url: database.url, schema: "hub", migrations, maxConnections: 1 },
    onLost: (error) => {
      throw error;
    },
  });

async function enrolFourDaysAgo(hubId: string): Promise<void> {
  const then = new Date(Date.now() - 4 * DAY_MS);
  const read = (name: string) => readFileSync(at("data", "keys", name), "utf8");
  const files = { certificate: read("ca.pem"), privateKey: read("ca-key.pem") };
  const key = generateKeyPairSync("ed25519");
  const id = randomUUID();
  const authority = await openAuthority(files, () => then);
  const issued = await authority.issueAgentCertificate({
    publicKey: key.publicKey,
    hubId,
    agentId: id,
  });
  const opened = await openHubDatabase();
  const directory = await openDirectory(opened.sql, (error) => {
    throw error;
  });
  const store = createEnrolmentStore(opened.sql, directory);
  const token = { secret: "sonde_et_test", agentName: AGENT, at: then };
  await store.addToken({ ...token, expiresAt: new Date(then.getTime() + DAY_MS) });
  await store.enrol({
    ...{ secret: token.secret, id, name: AGENT, at: then },
    publicKey: key.publicKey.export({ type: "spki", format: "pem" }).toString(),
    ...{ serial: issued.serial, keyId: issued.keyId, certificateExpiresAt: issued.expiresAt },
  });
  await fillAgent(opened.sql, directory, then);
  await directory.close();
  await opened.close();
  agent = { id, key, certificate: issued.certificate };
}

/** Adds a second agent with as many desired packs as an agent accepts. */
async function fillAgent(sql: Sql, directory: Directory, then: Date): Promise<void> {
  const store = createEnrolmentStore(sql, directory);
  const packs = createPackStore(sql, directory);
  const agents = createAgentChanges(directory);
  const secret = "sonde_et_full";
  const id = randomUUID();
  const expiresAt = new Date(then.getTime() + DAY_MS);
  await store.addToken({ secret, agentName: FULL_AGENT, at: then, expiresAt });
  await store.enrol({
    ...{
      secret,
      id,
      name: FULL_AGENT,
      at: then,
      publicKey: id,
      serial: id,
      keyId: digest,
    },
    certificateExpiresAt: expiresAt,
  });
  const version = "1.0.0";
  const signer = { kind: "rsa-sha256", publisher: "acme", keyId: digest } as const;
  for (let index = 0; index < MAX_PACKS; index++) {
    const name = `acme/pack-${index}`;
    const manifest = buildSampleManifest({ name });
    const own = digestOf(Buffer.from(name));
    await packs.savePack({ digest: own, name, version, signer, manifest }, then);
    await agents.assignPack({ agentId: id, pack: name, digest: own, by: "test", at: then });
  }
}

async function ask(method: string, path: string, body?: object, key = operatorKey) {
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, unknown> & { error?: { code: string } };
  return { answer, code: answer.error?.code ?? response.status };
}

test("a publisher removed from trust.json is refused without a restart", async () => {
  const install = () => ask("PUT", `/agents/${AGENT}/packs/acme/hello`, { version: "1.0.0" });
  expect((await install()).code).toBe(200);
  writeTrust({});
  expect((await install()).code).toBe("SIGNER_UNTRUSTED");
  writeTrust({ acme: [acme] });
  expect((await install()).code).toBe(200);
});

test("an agent gets no more desired packs than it accepts", async () => {
  const path = `/agents/${FULL_AGENT}/packs/acme`;
  const install = () => ask("PUT", `${path}/hello`, { version: "1.0.0" });
  expect((await install()).code).toBe("BAD_REQUEST");
  expect((await ask("DELETE", `${path}/pack-0`)).code).toBe(200);
  expect((await install()).code).toBe(200);
  // A newer version of an assigned pack needs no further place.
  expect((await install()).code).toBe(200);
});

test("a request without the right is in the audit log", async () => {
  const policy = { role: "client", agents: "*", probes: "*" };
  const { answer } = await ask("POST", "/api-keys", { name: "Claude", policy });
  const { id, key } = answer as { id: string; key: string };
  const pin = { packDigest: digest };
  expect((await ask("POST", "/tool-pins", pin, key)).code).toBe("FORBIDDEN");
  const { answer: page } = await ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = page["entries"] as {
    record: { event: string; principal: string; code: string };
  }[];
  const denied = entries.filter(({ record }) => record.event === "request.denied");
  expect(denied.map(({ record }) => [record.principal, record.code])).toEqual([
    [`key:${id}`, "FORBIDDEN"],
  ]);
});

const HELLO = buildHello({ name: AGENT });

type Session = { socket: WebSocket; channel: Channel; welcome: Incoming };

/** Connects as the agent and returns after the hub's welcome. */
async function connect(certificate: string): Promise<Session> {
  const { hubId, control } = hub.ready;
  const nonce = randomBytes(NONCE_BYTES);
  const privateKey = agent.key.privateKey;
  const ca = readFileSync(at("data", "keys", "ca.pem"));
  const socket = new WebSocket(`wss://localhost:${control}/control`, {
    headers: { "Sonde-Nonce": nonce.toString("base64url") },
    ca: [ca],
    cert: certificate,
    key: privateKey.export({ format: "pem", type: "pkcs8" }),
    perMessageDeflate: false,
  });
  socket.binaryType = "nodebuffer";
  const command = readFileSync(at("data", "keys", "command-key.pem"));
  const upgraded = new Promise<IncomingMessage>((done) => socket.once("upgrade", done));
  const [first] = (await once(socket, "message")) as [Buffer];
  const response = await upgraded;
  const hubNonce = Buffer.from(String(response.headers["sonde-nonce"]), "base64url");
  const exporter = (response.socket as TLSSocket).exportKeyingMaterial(
    CHANNEL_BINDING_BYTES,
    CHANNEL_BINDING_LABEL,
    Buffer.alloc(0),
  );
  const channel = createChannel({
    side: "agent",
    hubId,
    agentId: agent.id,
    sessionId: deriveSessionId(exporter, hubNonce, nonce),
    signer: createSigningKey(privateKey, agent.key.publicKey),
    peerKey: createPublicKey(command),
    now: Date.now,
  });
  return { socket, channel, welcome: channel.open(first) };
}

/** Connects as the agent, says hello, and returns the hub's first message of the wanted type. */
async function meet(certificate: string, wanted: Incoming["header"]["type"]): Promise<Incoming> {
  const { socket, channel } = await connect(certificate);
  try {
    return await new Promise<Incoming>((done, fail) => {
      socket.on("close", () => fail(new Error("the hub ended the session")));
      socket.on("message", (data: Buffer) => {
        const message = channel.open(data);
        if (message.header.type === wanted) done(message);
      });
      socket.send(channel.seal({ type: "hello", body: encodeBody(HELLO) }));
    });
  } finally {
    socket.terminate();
  }
}

test("of a burst of reports the newest is saved, with few writes", async () => {
  const { socket, channel } = await connect(agent.certificate);
  const revisions = async () => {
    const { answer } = await ask("GET", `/agents/${AGENT}`);
    return (answer["packs"] as { version: string }[]).map(({ version }) => version);
  };
  socket.send(channel.seal({ type: "hello", body: encodeBody(HELLO) }));
  for (let index = 1; index <= 500; index++) {
    const pack = {
      ...{ name: "acme/hello", version: `1.0.${index}`, digest, state: "active", signer: null },
      ...{ probes: [], approved: null, reason: null },
    };
    const body = { packs: [pack], auditHead: EMPTY_HEAD, registryHead: null };
    socket.send(channel.seal({ type: "pack-report", body: encodeBody(body) }));
  }
  await expect.poll(revisions).toEqual(["1.0.500"]);
  socket.terminate();
  const opened = await openHubDatabase();
  const [row] = await opened.sql`select count(*)::int as n from changes where id = ${agent.id}`;
  await opened.close();
  expect(row?.["n"]).toBeLessThan(250);
});

test("an agent with a half-expired certificate is sent the next one, which connects", async () => {
  const { body } = await meet(agent.certificate, "certificate");
  const { certificate } = parseCertificateBody(body);
  const next = new X509Certificate(certificate);
  expect(keyIdOf(next.publicKey)).toBe(keyIdOf(agent.key.publicKey));
  const left = next.validToDate.getTime() - Date.now();
  expect(left).toBeGreaterThan(AGENT_CERTIFICATE_MS - DAY_MS);
  expect((await meet(certificate, "desired-state")).header.agentId).toBe(agent.id);
});

test("a refused connection is closed fully, also when the peer keeps its half open", async () => {
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host: "127.0.0.1",
    servername: "localhost",
    port: hub.ready.control,
    ca: readFileSync(at("data", "keys", "ca.pem")),
    cert: agent.certificate,
    key: agent.key.privateKey.export({ format: "pem", type: "pkcs8" }),
    allowHalfOpen: true,
  };
  const socket = connectTls(options);
  await once(socket, "secureConnect");
  const gone = new Promise<void>((done) => {
    socket.on("error", () => done());
    socket.on("close", () => done());
  });
  const upgrade = ["Host: localhost", "Connection: Upgrade", "Upgrade: websocket"].join("\r\n");
  socket.write(`GET /control HTTP/1.1\r\n${upgrade}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 401 /);
  // A write to a closed connection fails, which ends the socket.
  const writing = setInterval(() => socket.write("x"), 50);
  const late = new Promise((done) => setTimeout(done, 5000, "still open"));
  expect(await Promise.race([gone.then(() => "ended"), late])).toBe("ended");
  clearInterval(writing);
  socket.destroy();
});

test("refused keys are in the audit log: the first at once, the rest by count, also at a stop", async () => {
  for (let index = 0; index < 3; index++) {
    expect((await ask("GET", "/agents", undefined, `sonde_ak_${"x".repeat(43)}`)).code).toBe(
      "UNAUTHENTICATED",
    );
  }
  const counts = async () => {
    const { answer } = await ask("GET", "/audit?afterSeq=0&limit=1000");
    const entries = answer["entries"] as { record: { event: string; detail: object } }[];
    return entries.flatMap(({ record: { event, detail } }) =>
      event === "key.refused" ? [detail] : [],
    );
  };
  await expect.poll(counts).toEqual([{ address: "127.0.0.1", count: 1 }]);
  await stopHub();
  hub = await startHub();
  expect(await counts()).toEqual([
    { address: "127.0.0.1", count: 1 },
    { address: "127.0.0.1", count: 2 },
  ]);
});

test("a certificate above its limit of refusals is dropped unread", async () => {
  const answers: (number | "ended")[] = [];
  for (let index = 0; index < 21; index++) {
    const request = httpsRequest({
      ...{ host: "localhost", port: hub.ready.control, path: "/nowhere", agent: false },
      ...{ ca: readFileSync(at("data", "keys", "ca.pem")), cert: agent.certificate },
      key: agent.key.privateKey.export({ format: "pem", type: "pkcs8" }),
      headers: { Connection: "Upgrade", Upgrade: "websocket" },
    });
    request.end();
    answers.push(
      await new Promise((done) => {
        request.on("response", ({ statusCode = 0 }) => done(statusCode));
        request.on("error", () => done("ended"));
      }),
    );
  }
  expect(answers.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 401));
  expect(answers[20]).toBe("ended");
});
