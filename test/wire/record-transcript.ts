// Records one session between this release's hub and agent, with its signed frames:
//   npm run record-transcript -- 0.2.0        writes test/wire/transcripts/0.2.0.json
// Run it once for each release. An existing file is never replaced (see replay.test.ts).
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Signer } from "@sonde/schemas/trust";
import {
  type DesiredStateBody,
  type HelloBody,
  OWN_PROTOCOL,
  type PackReport,
  type ResultBody,
  encodeBody,
} from "@sonde/schemas/wire";
import { createChannel, createSigningKey } from "@sonde/trust/envelope";
import { WebSocket, WebSocketServer } from "ws";
import { type Session, createSession } from "../../agent/daemon/src/edge/hub/session.ts";
import { createAgentLink } from "../../hub/src/links/edge/agent-link.ts";
import type { Transcript } from "./transcript.ts";

const [release] = process.argv.slice(2);
if (release === undefined) throw new Error("expected the release's version as the only argument");
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const auditHead = { size: 12, hash: digest("a") };
const [hubId, agentId, sessionId] = [randomUUID(), randomUUID(), "s".repeat(43)];
const [hubKeys, agentKeys] = [generateKeyPairSync("ed25519"), generateKeyPairSync("ed25519")];
const frames: Transcript["frames"] = [];
const startedAt = Date.now();

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
const hello: HelloBody = {
  name: "web-1",
  agentVersion: release,
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
  registryHead,
};
const desired: DesiredStateBody = {
  revision: 7,
  packs: [{ name: "sonde/system", version: "0.1.0", digest: digest("d") }],
};
const result = (callId: string, fails: boolean): ResultBody => ({
  callId,
  status: fails ? "failure" : "ok",
  ...(fails
    ? { failure: { code: "SOURCE_NOT_FOUND", message: "/proc/x: nothing there" } }
    : { data: { filesystems: [{ mountPoint: "/", usedPercent: 71.5 }], incomplete: false } }),
  truncated: false,
  redactions: { count: 1, rules: { "secret-name": 1 } },
  collectedAt: "2026-11-01T08:00:01.000Z",
  reads: [{ name: "mounts", what: "statfs of every mount", bytes: 2048, ms: 3.5 }],
  timings: { checks: 0.2, reads: 4, scrub: 0.5, guest: 0.4, audit: 1.1, total: 6.2 },
  auditHead: { size: 14, hash: digest("b") },
});

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
await new Promise((resolve) => server.once("listening", resolve));
const accepted = new Promise<WebSocket>((resolve) => server.once("connection", resolve));
const agentSocket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
await new Promise((resolve) => agentSocket.once("open", resolve));
const hubSocket = await accepted;

const agreed = Promise.withResolvers<void>();
const reported = Promise.withResolvers<void>();
const hubChannel = createChannel({
  side: "hub",
  hubId,
  agentId,
  sessionId,
  signer: createSigningKey(hubKeys.privateKey, hubKeys.publicKey),
  peerKey: agentKeys.publicKey,
  now: Date.now,
});
const link = createAgentLink(hubSocket, hubChannel, {
  onHello: () => agreed.resolve(),
  onPackReport: () => reported.resolve(),
  onUnsupported: (message) => agreed.reject(new Error(message)),
  onClose: () => undefined,
});
const session: Session = createSession(
  {
    ...{ hubId, agentId, agentName: "web-1", controlAddress: "127.0.0.1:1" },
    ...{ hubKey: hubKeys.publicKey, registryHead: null, key: agentKeys.privateKey },
    ...{ certificate: "", ca: "" },
  },
  sessionId,
  {
    onWelcome: () => undefined,
    buildHello: () => hello,
    buildPackReport: () => ({ packs: [pack], auditHead, registryHead }),
    onDesiredState: () => undefined,
    onCertificate: () => undefined,
    onUnsupported: (message) => agreed.reject(new Error(message)),
    onCall: ({ callId, probe }) =>
      Promise.resolve(encodeBody(result(callId, probe === "system.overview"))),
  },
  (frame) => {
    frames.push({ from: "agent", frame: frame.toString("base64") });
    agentSocket.send(frame);
  },
  Date.now,
);
agentSocket.on("message", (frame: Buffer) => {
  frames.push({ from: "hub", frame: frame.toString("base64") });
  session.receive(frame);
});

const welcome = { hubTime: startedAt, hubVersion: release, auditHead, protocol: OWN_PROTOCOL };
hubSocket.send(hubChannel.seal({ type: "welcome", body: encodeBody(welcome) }));
await agreed.promise;
link.sendDesiredState(desired);
link.sendCertificate("-----BEGIN CERTIFICATE-----\n(the next one)\n-----END CERTIFICATE-----\n");
const common = { principal: `key:${randomUUID()}`, policyHash: digest("c") };
for (const probe of ["system.disk.usage", "system.overview"]) {
  await link.call({
    ...common,
    callId: randomUUID(),
    packDigest: digest("d"),
    body: { probe, params: { limit: 20 }, timeoutMs: 40_000 },
  });
}
session.sendPackReport();
await reported.promise;
agentSocket.terminate();
server.close();

const pem = (key: typeof hubKeys.publicKey) => key.export({ type: "spki", format: "pem" });
const transcript: Transcript = {
  release,
  hubKey: String(pem(hubKeys.publicKey)),
  agentKey: String(pem(agentKeys.publicKey)),
  ...{ hubId, agentId, sessionId, startedAt, frames },
};
const file = join(import.meta.dirname, `transcripts/${release}.json`);
writeFileSync(file, `${JSON.stringify(transcript, null, 2)}\n`, { flag: "wx" });
process.stdout.write(`${file}\n`);
