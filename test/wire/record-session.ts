import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { RELEASE } from "@sonde/schemas/release";
import { buildStatement } from "@sonde/schemas/testing";
import type { Signer } from "@sonde/schemas/trust";
import {
  type ApprovalsBody,
  type DesiredStateBody,
  type DsseEnvelope,
  type HelloBody,
  type HubGrantsBody,
  KEY_SET_TYPE,
  type KeySet,
  OWN_PROTOCOL,
  type PackReport,
  type ResultBody,
  type WelcomeBody,
  encodeBody,
  type ReadsBody,
} from "@sonde/schemas/wire";
import { createChannel, createSigningKey, signHead } from "@sonde/trust/envelope";
import { WebSocket, WebSocketServer } from "ws";
import { createSession } from "../../agent/daemon/src/edge/hub/session.ts";
import { createAgentLink } from "../../hub/src/links/edge/agent-link.ts";
import { type Transcript, UNKNOWN_TYPE } from "./transcript.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const auditHead = { size: 12, hash: digest("a") };
const signer: Signer = { kind: "rsa-sha256", publisher: "sonde", keyId: digest("e") };
const pack: PackReport = {
  name: "sonde/system",
  version: "0.1.0",
  digest: digest("d"),
  state: "active",
  signer,
  probes: ["disk.usage", "overview"],
  approved: { by: "root", at: "2026-11-01T08:00:00.000Z" },
  reason: null,
};
const candidate: PackReport = {
  ...{ ...pack, version: "0.2.0", state: "held", probes: [], approved: null },
  reason: { code: "PERMISSION_NEEDED", message: "expected a grant of /proc/vmstat" },
};
const registryHead = {
  logKey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  head: { size: 40, hash: digest("f") },
};
const desired = (revision: number): DesiredStateBody => ({
  revision,
  packs: [{ name: "sonde/system", version: "0.1.0", digest: digest("d") }],
});
const ITEM = "file /proc/meminfo";
const GRANTS: HubGrantsBody = {
  revision: 1_793_520_000_000,
  grants: [
    {
      ...{ pack: "sonde/system", digest: digest("d"), items: [ITEM], by: "key:laptop" },
      ...{ byName: "laptop", given: 1_793_520_000_000 },
    },
  ],
};
const APPROVALS: ApprovalsBody = {
  ...{ hubMayGrant: ["/proc", "read-only-commands"], revision: 0 },
  packs: [
    {
      ...{ pack: "sonde/system", digest: digest("d"), byHost: [ITEM], byHub: [], withheld: [] },
      refused: false,
    },
  ],
};
const READS_BODY: ReadsBody = {
  reads: { meminfo: { ok: true, samples: [{ at: 1, truncated: false, data: { text: "x" } }] } },
};
const AT = "2026-11-01T08:00:00.000Z";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n(the next one)\n-----END CERTIFICATE-----\n";
/** A probe for each way in which a call can end. */
const PROBES = { ok: "system.disk.usage", fails: "system.overview", held: "system.processes.top" };

/**
 * Records one session between this release's hub and agent, with its signed frames: each message of
 * either side, and one of a type that no release knows.
 *
 * @param release what the transcript is called
 */
export async function recordSession(release: string): Promise<Transcript> {
  const [hubId, agentId, sessionId] = [randomUUID(), randomUUID(), "s".repeat(43)];
  const [hubKeys, nextKeys, auditKeys, agentKeys] = [newKeys(), newKeys(), newKeys(), newKeys()];
  const frames: Transcript["frames"] = [];
  const startedAt = Date.now();
  const { hubSocket, agentSocket, close } = await connect();
  const common = { hubId, agentId, sessionId, now: Date.now };
  const auditSigner = createSigningKey(auditKeys.privateKey, auditKeys.publicKey);
  const hubSigner = createSigningKey(hubKeys.privateKey, hubKeys.publicKey);
  const hubChannel = createChannel({
    ...{ ...common, side: "hub", signer: hubSigner, peerKey: agentKeys.publicKey },
  });
  /** Resolves with the next event of that name. */
  const heard = new EventTarget();
  const next = (name: string) => once(heard, name);
  const tell = (name: string) => () => void heard.dispatchEvent(new Event(name));

  const link = createAgentLink(hubSocket, hubChannel, {
    onHello: tell("hello"),
    onPackReport: tell("report"),
    onApprovals: tell("approvals"),
    onStatedHead: () => undefined,
    onResult: () => undefined,
    keepsReads: () => true,
    onAttestation: tell("attestation"),
    onHostChanged: tell("changed"),
    onWitness: tell("witness"),
    onUnsupported: tell("hub-unsupported"),
    onClose: () => undefined,
  });
  const cancelled = Promise.withResolvers<void>();
  const sendFromAgent = (frame: Buffer): void => {
    frames.push({ from: "agent", frame: frame.toString("base64") });
    agentSocket.send(frame);
  };
  const session = createSession(
    {
      ...{ hubId, agentId, agentName: "web-1", controlAddress: "127.0.0.1:1" },
      ...{ hubKey: hubKeys.publicKey, registryHead: null, key: agentKeys.privateKey },
      ...{ certificate: "", ca: "" },
    },
    sessionId,
    {
      onWelcome: () => undefined,
      buildHello,
      buildPackReport: () => ({
        ...{ packs: [pack], auditHead, registryHead, certificateSerial: "0a1b" },
      }),
      buildApprovals: () => APPROVALS,
      onHubGrants: tell("grants"),
      onDesiredState: tell("desired"),
      onCertificate: () => undefined,
      onCheckpoint: () => undefined,
      buildWitness: () => WITNESS,
      onCancel: () => cancelled.resolve(),
      onHeadRepeated: () => undefined,
      onAttest: (nonce) => Promise.resolve({ nonce, statement: buildStatement() }),
      onUnattested: (why) => {
        throw why;
      },
      onKeySet: () => nextKeys.publicKey,
      onUnsupported: () => undefined,
      onCall: async ({ callId, probe }) => {
        if (probe === PROBES.held) await cancelled.promise;
        return { body: encodeBody(buildResult(callId, probe)), reads: encodeBody(READS_BODY) };
      },
    },
    sendFromAgent,
    Date.now,
  );
  agentSocket.on("message", (frame: Buffer) => {
    frames.push({ from: "hub", frame: frame.toString("base64") });
    session.receive(frame);
  });
  /** Does something, and waits for what it leads to. */
  const lead = async (to: string, by: () => void): Promise<void> => {
    const led = next(to);
    by();
    await led;
  };

  await lead("witness", () => {
    const welcome: Required<WelcomeBody> = {
      ...{ protocol: OWN_PROTOCOL, enrolPort: 4312, hubTime: startedAt, hubVersion: RELEASE },
      ...{ auditHead, seenHead: auditHead, checkpoint: CHECKPOINT, agentHead: auditHead },
      signedHead: signHead({ hubId, sessionId, head: auditHead, seen: auditHead }, auditSigner),
    };
    hubSocket.send(hubChannel.seal({ type: "welcome", body: encodeBody(welcome) }));
  });
  link.sendDesiredState(desired(7));
  await lead("grants", () => link.sendGrants(GRANTS));
  link.sendCertificate(CERTIFICATE);
  await lead("witness", () => link.sendCheckpoint(CHECKPOINT));
  const call = (probe: string) =>
    link.call({
      ...{ principal: `key:${randomUUID()}`, policyHash: digest("c"), callId: randomUUID() },
      ...{ packDigest: digest("d"), askedBy: "laptop" },
      body: { probe, params: { limit: 20 }, timeoutMs: 40_000 },
    });
  await call(PROBES.ok);
  await call(PROBES.fails);
  await lead("report", () => session.sendPackReport());
  await lead("attestation", () => link.attest("n".repeat(43)));
  await lead("changed", () => session.tellChanged());
  const unknown = { type: UNKNOWN_TYPE as "call", body: encodeBody({ of: "a later release" }) };
  // The agent refuses it, and says so.
  await lead("hub-unsupported", () => hubSocket.send(hubChannel.seal(unknown)));
  const held = call(PROBES.held);
  link.cancelCalls(new SondeError("CALL_CANCELLED", "the agent is held"));
  await held.catch(() => undefined);
  await cancelled.promise;
  const keySet = encloseKeySet({
    ...{ hubId, epoch: 0, version: 2, expiresAt: AT },
    commandKeys: [{ publicKey: toPem(nextKeys.publicKey), since: AT, until: null }],
    auditKeys: [{ publicKey: toPem(auditKeys.publicKey), since: AT, until: null }],
  });
  link.sendKeySet(keySet, createSigningKey(nextKeys.privateKey, nextKeys.publicKey));
  await lead("desired", () => link.sendDesiredState(desired(8)));
  close();
  return {
    release,
    hubKey: toPem(hubKeys.publicKey),
    agentKey: toPem(agentKeys.publicKey),
    ...{ hubId, agentId, sessionId, startedAt, frames },
  };
}

const TREE_HASH = Buffer.alloc(32, 1).toString("base64");
const CHECKPOINT = { note: `sonde.hub/log\n14\n${TREE_HASH}\n`, growth: [TREE_HASH] };
const WITNESS = { size: 14, root: TREE_HASH };

const newKeys = () => generateKeyPairSync("ed25519");
const toPem = (key: ReturnType<typeof newKeys>["publicKey"]): string =>
  key.export({ type: "spki", format: "pem" }).toString();

async function connect() {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const accepted = once(server, "connection");
  const { port } = server.address() as AddressInfo;
  const agentSocket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(agentSocket, "open");
  const [hubSocket] = (await accepted) as [WebSocket];
  const close = () => {
    agentSocket.terminate();
    server.close();
  };
  return { hubSocket, agentSocket, close };
}

const buildHello = (): HelloBody => ({
  name: "web-1",
  agentVersion: RELEASE,
  bootId: randomUUID(),
  os: "Debian GNU/Linux 12 (bookworm)",
  kernel: "6.1.0-28-amd64",
  arch: "x64",
  binarySha256: digest("1"),
  configSha256: digest("2"),
  maxCapability: "observe",
  wall: "separate-user",
  packs: [pack, candidate],
  auditHead,
  seenHead: auditHead,
  registryHead,
});

const FAILURES = new Map([
  [PROBES.fails, { code: "SOURCE_NOT_FOUND", message: "/proc/x: nothing there" }],
  [PROBES.held, { code: "CALL_CANCELLED", message: "the hub took the call back" }],
]);

function buildResult(callId: string, probe: string): ResultBody {
  const failure = FAILURES.get(probe);
  return {
    callId,
    status: failure === undefined ? "ok" : "failure",
    ...(failure === undefined
      ? { data: { filesystems: [{ mountPoint: "/", usedPercent: 71.5 }], incomplete: false } }
      : { failure }),
    truncated: false,
    redactions: { count: 1, rules: { "secret-name": 1 } },
    collectedAt: "2026-11-01T08:00:01.000Z",
    reads: [{ name: "mounts", what: "statfs of every mount", bytes: 2048, ms: 3.5 }],
    timings: { checks: 0.2, reads: 4, scrub: 0.5, guest: 0.4, audit: 1.1, total: 6.2 },
    auditHead: { size: 14, hash: digest("b") },
  };
}

/** Not signed by a CA: what is recorded is how it travels, and that the next message has its key. */
function encloseKeySet(set: Required<KeySet>): DsseEnvelope {
  const payload = Buffer.from(JSON.stringify(set)).toString("base64");
  const signatures = [{ keyid: digest("9"), sig: Buffer.alloc(64).toString("base64") }];
  return { payloadType: KEY_SET_TYPE, payload, signatures };
}
