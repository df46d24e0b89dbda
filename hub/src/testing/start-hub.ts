import { type ChildProcess, spawn } from "node:child_process";
import { type KeyObject, type KeyPairKeyObjectResult, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TLSSocket } from "node:tls";
import { type Database, openDatabase } from "@sonde/database";
import { startTestDatabase } from "@sonde/database/testing";
import type { Digest } from "@sonde/schemas/names";
import type { Tag } from "@sonde/schemas/tags";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { AGENT_CERTIFICATE_MS, type KeyAlgorithm } from "@sonde/schemas/wire";
import { demandDocumented, hangUp, type OpenApi } from "@sonde/service/testing";
import { archiveDigest } from "@sonde/trust/archive";
import { openAuthority } from "@sonde/trust/ca";
import {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  type Channel,
  createChannel,
  createKeyPair,
  createSigningKey,
  deriveSessionId,
  type Incoming,
  NONCE_BYTES,
} from "@sonde/trust/envelope";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { WebSocket } from "ws";
import { createEnrolmentStore } from "../agents/edge/enrolment-store.ts";
import { openDirectory } from "../directory/index.ts";
import { openHubKeys } from "../keys/open-hub-keys.ts";
import { migrations } from "../migrations.ts";
import { addTestMaker, removeTestMaker, TEST_MAKER } from "./test-maker.ts";

const NOBODY = 65_534;
const workspace = resolve(import.meta.dirname, "../../..");

/** The agent's end of a session, after the hub's welcome. */
export type AgentSession = { socket: WebSocket; channel: Channel; welcome: Incoming };

/** The agent's key pair and a certificate of which more than half is over, and hours are left. */
export type EnrolledAgent = {
  id: string;
  name: string;
  key: KeyPairKeyObjectResult;
  certificate: string;
};

type Answer = Record<string, unknown> & { error?: { code: string } };

/** A hub as a process of its own, over a real PostgreSQL, with one enrolled agent and a registry. */
export type TestHub = {
  ready: {
    hubId: string;
    http: number;
    enrol: number;
    control: number;
    public: number;
    /** While there is no owner: the one-time link for the first one. */
    ownerLink?: string;
  };
  operatorKey: string;
  agent: EnrolledAgent;
  /** PEM of the hub's CA. */
  ca: Buffer;
  /** PEM of the key that verifies the hub's envelopes. */
  hubKey: string;
  keysDir: string;
  /** Its configuration, and the user that runs it. */
  configPath: string;
  account: { uid?: number; gid?: number };
  /** Of version 1.0.0 of `acme/hello`, which is published and whose signer is trusted. */
  digest: Digest;
  /** Rewrites the hub's trust policy. */
  setTrusted(isTrusted: boolean): void;
  /**
   * Asks a route under `/api/v1`; `code` is the error's, or the HTTP status. Throws when the route's
   * document does not name the code.
   */
  ask(
    method: string,
    path: string,
    body?: object,
    key?: string,
    headers?: Record<string, string>,
  ): Promise<{ answer: Answer; code: string | number }>;
  /** Makes a key with that policy. */
  addKey(policy?: object): Promise<{ id: string; key: string }>;
  /** Enrols one more agent, which can connect as the first one. */
  enrol(name: string, tags: Tag[]): Promise<EnrolledAgent>;
  /**
   * @param aheadMs how far the agent's clock is ahead of the hub's
   * @param of the agent that connects; without it, the first one
   */
  connect(certificate?: string, aheadMs?: number, of?: EnrolledAgent): Promise<AgentSession>;
  openDatabase(): Promise<Database>;
  /** @param meanwhile runs while the hub is stopped */
  restart(meanwhile?: () => void | Promise<void>, signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts another hub on its database, with its keys and its configuration. @returns its port */
  startSecond(): Promise<number>;
  /**
   * Sends SIGHUP while members of its configuration file are others.
   *
   * @returns the line that the hub logs about it
   */
  reload(changes: object): Promise<string>;
  /**
   * A certificate of the agent that is on the allow list and expires in `leftMs`.
   *
   * @param above its generation above the newest that the agent has shown
   */
  issueCertificate(leftMs: number, above?: number): Promise<string>;
  close(): Promise<void>;
};

type HubSettings = {
  script?: string;
  config?: object;
  names?: string[];
  keyAlgorithm?: KeyAlgorithm;
  views?: Record<string, string>;
  console?: object;
  policy?: Partial<TrustPolicy>;
};

/**
 * @param seed fills the database before the hub that is tested starts
 * @param http members of the configuration's `http` that differ from the defaults
 * @param more `names` by which agents reach it; `keyAlgorithm` of its command key and the agent's key;
 *   `views` are the documents of pictures, `console` the files of the console and `script` that of the
 *   pages on which people get in, all beside the hub's program; `config` has further members of the
 *   configuration, and `policy` those of the trust policy, such as another registry
 */
export async function startHub(
  seed: (database: Database) => Promise<void> = () => Promise.resolve(),
  http: object = {},
  settings: HubSettings = {},
): Promise<TestHub> {
  const { names = ["localhost"], keyAlgorithm = "ed25519" } = settings;
  const { views, console, script, config: more = {} } = settings;
  // As root the hub runs as nobody, who must be able to enter.
  const account = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const root = mkdtempSync(join(tmpdir(), "sonde-hub-"));
  const at = (...parts: string[]) => join(root, ...parts);
  chmodSync(root, 0o755);
  mkdirSync(at("data"));
  const acme = createSampleKey();
  const archive = buildSampleArchive();
  const registry = await startSampleRegistry();
  registry.publish(archive, signSample(archive, acme));
  const setTrusted = (isTrusted: boolean): void => {
    const policy: TrustPolicy = buildSamplePolicy(isTrusted ? { acme: [acme] } : {}, {
      registry: registry.url,
      logKey: registry.logKey,
      ...settings.policy,
    });
    writeFileSync(at("trust.json"), JSON.stringify(policy), { mode: 0o644 });
  };
  setTrusted(true);
  // The program of an installation is a bundle; here it is started on its sources.
  const program = JSON.stringify(join(workspace, "foundation/trust/src/admit/main.ts"));
  writeFileSync(
    at("admit.mjs"),
    `import { spawnSync } from "node:child_process";
     const args = ["--conditions=sonde:source", ${program}];
     process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;\n`,
  );
  writeFileSync(at("hub.mjs"), `import ${JSON.stringify(join(workspace, "hub/src/main.ts"))};\n`);
  if (views !== undefined) writeFileSync(at("views.json"), JSON.stringify(views));
  if (console !== undefined) writeFileSync(at("console.json"), JSON.stringify(console));
  if (script !== undefined) writeFileSync(at("people.js"), script);
  const server = await startTestDatabase();
  const open = (): Promise<Database> =>
    openDatabase({
      ...{ dataDir: "/nonexistent", url: server.url, schema: "hub", migrations },
      ...{ maxConnections: 1, onLost: fail },
    });
  writeFileSync(
    at("hub.json"),
    JSON.stringify({
      dataDir: at("data"),
      keyAlgorithm,
      databaseUrl: server.url,
      http: { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: [], ...http },
      agents: { host: "127.0.0.1", enrolPort: 0, controlPort: 0, names },
      trustPolicyPath: at("trust.json"),
      admitPath: at("admit.mjs"),
      callTimeoutMs: 1000,
      supervised: true,
      ...more,
    }),
  );

  // The keys are there before the first start, so that an agent can have enrolled long ago.
  const keys = await openHubKeys({
    folder: at("data", "keys"),
    names,
    keyAlgorithm,
    now: () => new Date(),
    report: fail,
  });
  keys.signing.close();
  const { publicKey: hubKey } = keys.signing.held().keys.command[0];
  const readKey = (name: string) => readFileSync(at("data", "keys", name), "utf8");
  const files = { certificate: readKey("ca.pem"), privateKey: readKey("ca-key.pem") };
  const database = await open();
  const agent = await enrolLongAgo(database, files, keys.hubId, createKeyPair(keyAlgorithm));
  await seed(database);
  await database.close();
  if (account.uid !== undefined) {
    const made = readdirSync(at("data"), { recursive: true, encoding: "utf8" });
    for (const path of ["", ...made]) chownSync(at("data", path), account.uid, account.gid);
  }
  let running = await startProcess(root, account);
  let second: HubProcess | null = null;

  const operatorKey = () => readFileSync(at("data", "operator-key"), "utf8").trim();
  const ca = Buffer.from(files.certificate);
  let document: OpenApi | undefined;
  const readDocument = async (): Promise<OpenApi> => {
    const url = `http://127.0.0.1:${running.ready.http}/api/v1/openapi.json`;
    return (await (await fetch(url)).json()) as OpenApi;
  };
  const ask: TestHub["ask"] = async (method, path, body, key = operatorKey(), headers = {}) => {
    const response = await fetch(`http://127.0.0.1:${running.ready.http}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...headers,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Answer;
    const { status } = response;
    const code = answer.error?.code;
    if (code === undefined) return { answer, code: status };
    // In every test a route refuses only with codes that its document names.
    demandDocumented((document ??= await readDocument()), method, `/api/v1${path}`, {
      ...{ status, code },
    });
    return { answer, code };
  };
  return {
    get ready() {
      return running.ready;
    },
    get operatorKey() {
      return operatorKey();
    },
    ...{
      agent,
      ca,
      keysDir: at("data", "keys"),
      configPath: at("hub.json"),
      account,
      digest: archiveDigest(archive),
      setTrusted,
      ask,
    },
    hubKey: hubKey.export({ type: "spki", format: "pem" }).toString(),
    async addKey(policy = { role: "client", agents: "*", probes: "*" }) {
      const { answer } = await ask("POST", "/api-keys", { name: "Claude", policy });
      return answer as { id: string; key: string };
    },
    async enrol(name, tags) {
      const opened = await open();
      const enrolled = await enrolLongAgo(opened, files, keys.hubId, createKeyPair(keyAlgorithm), {
        name,
        tags,
      });
      await opened.close();
      return enrolled;
    },
    connect: (certificate, aheadMs = 0, of = agent) =>
      connect(running.ready, { ...of, ...(certificate !== undefined && { certificate }) }, ca, {
        ...{ hubKey, now: () => Date.now() + aheadMs },
      }),
    openDatabase: open,
    async issueCertificate(leftMs, above = 0) {
      const then = new Date(Date.now() + leftMs - AGENT_CERTIFICATE_MS);
      const authority = await openAuthority(files, () => then);
      const issued = await authority.issueAgentCertificate({
        ...{ publicKey: agent.key.publicKey, hubId: keys.hubId, agentId: agent.id },
      });
      const { sql, ...opened } = await open();
      await sql`insert into agent_certificates (serial, agent_id, key_id, expires_at, generation)
        select ${issued.serial}, id, ${issued.keyId}, ${issued.expiresAt}, generation + ${above}
        from agents where id = ${agent.id}`;
      await opened.close();
      return issued.certificate;
    },
    async reload(changes) {
      const config = JSON.parse(readFileSync(at("hub.json"), "utf8")) as object;
      writeFileSync(at("hub.json"), JSON.stringify({ ...config, ...changes }));
      return await hangUp(running.child).finally(() => {
        writeFileSync(at("hub.json"), JSON.stringify(config));
      });
    },
    async restart(meanwhile = () => undefined, signal = "SIGTERM") {
      await stopProcess(running.child, signal);
      await meanwhile();
      running = await startProcess(root, account);
    },
    async startSecond() {
      const own = at("data-2");
      mkdirSync(own);
      if (account.uid !== undefined) chownSync(own, account.uid, account.gid);
      const config = JSON.parse(readFileSync(at("hub.json"), "utf8")) as object;
      const changes = { dataDir: own, keysDir: at("data", "keys") };
      writeFileSync(at("hub-2.json"), JSON.stringify({ ...config, ...changes }));
      second = await startProcess(root, account, "hub-2.json");
      return second.ready.http;
    },
    async close() {
      if (second !== null) await stopProcess(second.child);
      await stopProcess(running.child);
      await registry.close();
      await server.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

type HubProcess = { child: ChildProcess; ready: TestHub["ready"] };

async function startProcess(
  root: string,
  account: { uid?: number; gid?: number },
  config = "hub.json",
): Promise<HubProcess> {
  const child = spawn(
    "setpriv",
    [
      ...["--no-new-privs", "--", process.execPath, "--conditions=sonde:source"],
      ...[join(root, "hub.mjs"), join(root, config)],
    ],
    { ...account, cwd: root, stdio: ["pipe", "pipe", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ready = await new Promise<TestHub["ready"]>((done, refuse) => {
    let line = "";
    child.stdout.on("data", (chunk: Buffer) => {
      line += chunk.toString();
      if (!line.includes("\n")) return;
      const first = JSON.parse(line) as TestHub["ready"] | { error: object };
      if ("error" in first) refuse(new Error(`the hub did not start: ${line}${said}`));
      else done(first);
    });
    child.once("close", (code) => refuse(new Error(`the hub ended with ${code}: ${line}${said}`)));
  });
  return { child, ready };
}

async function stopProcess(
  child: ChildProcess,
  signal: "SIGTERM" | "SIGKILL" = "SIGTERM",
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("close", done));
  child.kill(signal);
  await ended;
}

async function enrolLongAgo(
  { sql }: Database,
  files: { certificate: string; privateKey: string },
  hubId: string,
  key: EnrolledAgent["key"],
  { name, tags }: { name: string; tags: Tag[] } = { name: "web-1", tags: [] },
): Promise<EnrolledAgent> {
  const then = new Date(Date.now() - 0.6 * AGENT_CERTIFICATE_MS);
  const agent = { id: randomUUID(), name };
  const authority = await openAuthority(files, () => then);
  const { certificate, serial, keyId, expiresAt } = await authority.issueAgentCertificate({
    ...{ publicKey: key.publicKey, hubId, agentId: agent.id },
  });
  const directory = await openDirectory(sql, fail);
  const store = createEnrolmentStore(sql, directory);
  const secret = `sonde_et_test_${name}`;
  await addTestMaker(sql);
  await store.addToken({
    createdBy: TEST_MAKER,
    secret,
    agentName: agent.name,
    tags,
    approvesFirst: true,
    at: then,
    expiresAt: new Date(then.getTime() + 60_000),
  });
  await store.enrol({
    ...{
      ...agent,
      isKnown: false,
      secret,
      at: then,
      serial,
      keyId,
      certificateExpiresAt: expiresAt,
    },
    publicKey: key.publicKey.export({ type: "spki", format: "pem" }).toString(),
  });
  await removeTestMaker(sql);
  await directory.close();
  return { ...agent, key, certificate };
}

async function connect(
  { hubId, control }: TestHub["ready"],
  { id, key, certificate }: EnrolledAgent,
  ca: Buffer,
  { hubKey, now }: { hubKey: KeyObject; now: () => number },
): Promise<AgentSession> {
  const nonce = randomBytes(NONCE_BYTES);
  const socket = new WebSocket(`wss://localhost:${control}/control`, {
    headers: { "Sonde-Nonce": nonce.toString("base64url") },
    ca: [ca],
    cert: certificate,
    key: key.privateKey.export({ format: "pem", type: "pkcs8" }),
    perMessageDeflate: false,
  });
  socket.binaryType = "nodebuffer";
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
    agentId: id,
    sessionId: deriveSessionId(exporter, hubNonce, nonce),
    signer: createSigningKey(key.privateKey, key.publicKey),
    peerKey: hubKey,
    now,
  });
  return { socket, channel, welcome: channel.open(first) };
}

function fail(error: Error): never {
  throw error;
}
