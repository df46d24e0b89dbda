import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buildStatement } from "@sonde/schemas/testing";
import {
  type AgentMessage,
  type ApprovalsBody,
  ASKED_BY,
  ATTESTATION,
  CANCEL,
  type CallBody,
  type DsseEnvelope,
  type HelloBody,
  CHECKPOINTS,
  HUB_GRANTS,
  type HubMessage,
  OWN_PROTOCOL,
  type RefusedBody,
  type ResultBody,
  type WelcomeBody,
  encodeBody,
  parseKeySet,
  READS,
} from "@sonde/schemas/wire";
import { createChannel, createSigningKey } from "@sonde/trust/envelope";
import { WebSocket, WebSocketServer } from "ws";
import { expect, test } from "vitest";
import { createSession } from "../../agent/daemon/src/edge/hub/session.ts";
import { createAgentLink } from "../../hub/src/links/edge/agent-link.ts";
import { recordSession } from "./record-session.ts";
import { PRESENT, type Transcript, UNKNOWN_TYPE } from "./transcript.ts";

// Replays to this release's agent and hub what hubs and agents of earlier releases sent. A release's
// transcript is never changed: when it fails here, the code no longer works with that release. That of
// the present state is recorded anew when the wire changes.

const folder = join(import.meta.dirname, "transcripts");
const transcripts = readdirSync(folder).map(
  (file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Transcript,
);
const framesOf = ({ frames }: Transcript, from: "hub" | "agent"): Buffer[] =>
  frames.filter((one) => one.from === from).map(({ frame }) => Buffer.from(frame, "base64"));
/** A new key for our side of the session: only the other side's signatures are recorded ones. */
const own = generateKeyPairSync("ed25519");

/** The key that signs the hub's next message, after it sent this set. */
function readNextKey({ payload }: DsseEnvelope): KeyObject {
  const { commandKeys } = parseKeySet(JSON.parse(Buffer.from(payload, "base64").toString()));
  return createPublicKey(commandKeys[0]?.publicKey ?? "");
}

/** A side's messages, in the form that the envelope code reads. */
function readAll(transcript: Transcript, from: "hub" | "agent") {
  const channel = createChannel({
    ...transcript,
    side: from === "hub" ? "agent" : "hub",
    signer: createSigningKey(own.privateKey, own.publicKey),
    peerKey: createPublicKey(from === "hub" ? transcript.hubKey : transcript.agentKey),
    now: () => transcript.startedAt,
  });
  return framesOf(transcript, from).map((frame) => {
    const message = channel.open(frame);
    if (message.header.type === "key-set") {
      channel.expectKey(readNextKey((message.body as { keySet: DsseEnvelope }).keySet));
    }
    return message;
  });
}

function welcomeOf(transcript: Transcript): WelcomeBody {
  const [welcome] = readAll(transcript, "hub");
  if (welcome?.header.type !== "welcome") throw new Error("expected a session to begin with one");
  return welcome.body as WelcomeBody;
}

const typesOf = (transcript: Transcript, from: "hub" | "agent") =>
  new Set(readAll(transcript, from).map(({ header }) => header.type));

test("each release that the changelog dates has a transcript", () => {
  const changelog = readFileSync(join(import.meta.dirname, "../../CHANGELOG.md"), "utf8");
  const releases = [...changelog.matchAll(/^## \[(\d+\.\d+\.\d+)\] - /gm)].map(([, name]) => name);
  expect(releases).toContain("0.1.0");
  const recorded = transcripts.map(({ release }) => release);
  for (const release of releases) expect(recorded).toContain(release);
  for (const transcript of transcripts) {
    for (const type of ["welcome", "desired-state", "certificate", "call"]) {
      expect(typesOf(transcript, "hub")).toContain(type);
    }
    for (const type of ["hello", "result", "pack-report"]) {
      expect(typesOf(transcript, "agent")).toContain(type);
    }
  }
});

/** Each message, and whether a session of the present state has it. A new one needs a line here. */
const FROM_HUB: Record<HubMessage["type"], boolean> = {
  ...{ welcome: true, "desired-state": true, certificate: true, call: true, cancel: true },
  ...{ attest: true, checkpoint: true, "key-set": true, "hub-grants": true },
  // An agent of the present state sends nothing that its hub does not know.
  refused: false,
};
const FROM_AGENT: Record<AgentMessage["type"], boolean> = {
  ...{ hello: true, "pack-report": true, result: true, attestation: true, "host-changed": true },
  ...{ approvals: true, witness: true, reads: true },
  refused: true,
};
/** What each feature adds to a session. A new one needs a line here. */
const SHOWN_BY = new Map<string, (transcript: Transcript) => boolean>([
  [
    ASKED_BY,
    (of) => readAll(of, "hub").some(({ body }) => (body as CallBody).askedBy !== undefined),
  ],
  [ATTESTATION, (of) => typesOf(of, "hub").has("attest")],
  [CANCEL, (of) => typesOf(of, "hub").has("cancel")],
  [CHECKPOINTS, (of) => typesOf(of, "hub").has("checkpoint")],
  [HUB_GRANTS, (of) => typesOf(of, "hub").has("hub-grants")],
  [READS, (of) => typesOf(of, "agent").has("reads")],
]);
const listTrue = (record: Record<string, boolean>) =>
  new Set(Object.keys(record).filter((key) => record[key]));

/** Names and types of all members, without what they hold. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, shapeOf(held)]));
}
const shapesOf = (transcript: Transcript, from: "hub" | "agent") =>
  readAll(transcript, from).map(({ header, body }) => [
    header.type,
    shapeOf(header),
    shapeOf(body),
  ]);

test("the transcript of the present state is what is sent now: npm run record-transcript", async () => {
  const present = transcripts.find(({ release }) => release === PRESENT);
  if (present === undefined) throw new Error("expected a transcript of the present state");
  const now = await recordSession(PRESENT);
  for (const side of ["hub", "agent"] as const) {
    expect(shapesOf(present, side)).toEqual(shapesOf(now, side));
  }
  expect(welcomeOf(present).protocol).toEqual(OWN_PROTOCOL);
  expect(typesOf(present, "hub")).toEqual(new Set([...listTrue(FROM_HUB), UNKNOWN_TYPE]));
  expect(typesOf(present, "agent")).toEqual(listTrue(FROM_AGENT));
  for (const feature of OWN_PROTOCOL.features) {
    expect(SHOWN_BY.get(feature)?.(present), feature).toBe(true);
  }
});

// Attack 66.
test.each(transcripts)("this agent serves the hub of release $release", async (transcript) => {
  const heard: unknown[] = [];
  const unsupported: string[] = [];
  const sent: ReturnType<typeof readAll> = [];
  const there = createChannel({
    ...transcript,
    side: "hub",
    signer: createSigningKey(own.privateKey, own.publicKey),
    peerKey: own.publicKey,
    now: () => transcript.startedAt,
  });
  const { hello, results } = readAgent(transcript);
  const session = createSession(
    {
      ...{ hubId: transcript.hubId, agentId: transcript.agentId, agentName: "web-1" },
      ...{ hubKey: createPublicKey(transcript.hubKey), key: own.privateKey, registryHead: null },
      ...{ controlAddress: "127.0.0.1:1", certificate: "", ca: "" },
    },
    transcript.sessionId,
    {
      onWelcome: ({ hubVersion }, { protocol }) => heard.push([hubVersion, protocol]),
      buildHello: () => hello,
      buildPackReport: () => ({ packs: [], auditHead: hello.auditHead, registryHead: null }),
      buildApprovals: () => APPROVALS,
      onHubGrants: (body) => heard.push(body),
      onDesiredState: (body) => heard.push(body),
      onCertificate: (certificate) => heard.push(certificate),
      onCheckpoint: (body) => heard.push(body),
      buildWitness: () => WITNESS,
      onCancel: (callId) => heard.push(callId),
      onHeadRepeated: () => undefined,
      onAttest: (nonce) => Promise.resolve({ nonce, statement: buildStatement() }),
      onUnattested: (why) => unsupported.push(why.message),
      onKeySet: readNextKey,
      onUnsupported: (message) => unsupported.push(message),
      onCall: ({ callId, sendReads }) =>
        Promise.resolve({
          body: encodeBody(results.get(callId) ?? {}),
          reads: sendReads ? encodeBody({ reads: {} }) : null,
        }),
    },
    (frame) => sent.push(there.open(frame)),
    () => transcript.startedAt,
  );
  for (const frame of framesOf(transcript, "hub")) session.receive(frame);
  const orders = readAll(transcript, "hub");
  const calls = orders.filter(({ header }) => header.type === "call");
  /** What the agent answers, by the order's type. */
  const answers = orders.flatMap(({ header: { type } }) => ANSWERED_BY.get(type) ?? []);
  answers.push(...calls.flatMap(({ body }) => ((body as CallBody).sendReads ? ["reads"] : [])));
  // After the hello, to a hub that knows it.
  const knowsGrants = welcomeOf(transcript).protocol?.features.includes(HUB_GRANTS) === true;
  if (knowsGrants) answers.push("approvals");
  const signsHeads = welcomeOf(transcript).protocol?.features.includes(CHECKPOINTS) === true;
  if (signsHeads) answers.push("witness");
  await expect.poll(() => sent.length).toBe(answers.length);

  expect(unsupported.length).toBe(answers.filter((type) => type === "refused").length);
  const { hubVersion } = welcomeOf(transcript);
  expect(heard[0]).toEqual([hubVersion, transcript.release === "0.1.0" ? 1 : 2]);
  expect(heard.slice(1)).toEqual(
    orders.flatMap(({ header, body }) => {
      const { type } = header;
      if (type === "desired-state" || type === "hub-grants" || type === "checkpoint") return [body];
      if (header.type === "cancel") return [header.callId];
      if (header.type === "certificate") return [(body as { certificate: string }).certificate];
      return [];
    }),
  );
  expect(sent[0]?.header.type).toBe("hello");
  expect((sent[0]?.body as HelloBody | undefined)?.protocol !== undefined).toBe(
    transcript.release !== "0.1.0",
  );
  expect(sent.map(({ header }) => header.type).toSorted()).toEqual(answers.toSorted());
  expect(sent.flatMap(({ header }) => (header.type === "result" ? [header.callId] : []))).toEqual(
    calls.map(({ header }) => header.callId),
  );
});

const WITNESS = { size: 14, root: Buffer.alloc(32, 1).toString("base64") };
const APPROVALS: ApprovalsBody = { hubMayGrant: "none", revision: 0, packs: [] };

const ANSWERED_BY = new Map([
  ["welcome", "hello"],
  ["call", "result"],
  ["attest", "attestation"],
  ["checkpoint", "witness"],
  [UNKNOWN_TYPE, "refused"],
]);

// Attack 66.
test.each(transcripts)("this hub serves the agent of release $release", async (transcript) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const accepted = once(server, "connection");
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(agent, "open");
  const [socket] = (await accepted) as [WebSocket];
  const heard: unknown[] = [];
  const { calls, hello, results } = readAgent(transcript);
  const channel = createChannel({
    ...transcript,
    side: "hub",
    signer: createSigningKey(own.privateKey, own.publicKey),
    peerKey: createPublicKey(transcript.agentKey),
    now: () => transcript.startedAt,
  });
  const link = createAgentLink(socket, channel, {
    onHello: (body, { protocol }) => heard.push([body, protocol]),
    onPackReport: (body) => heard.push(body),
    onApprovals: (body) => heard.push(body),
    onStatedHead: () => undefined,
    onResult: () => undefined,
    keepsReads: () => true,
    onAttestation: (body) => heard.push(body),
    onHostChanged: () => heard.push("changed"),
    onWitness: (body) => heard.push(body),
    onUnsupported: (message) => heard.push(message),
    onClose: (refusal) => heard.push(refusal),
  });
  try {
    const answers = calls.map(({ header, body }) =>
      link.call({
        callId: header.callId ?? "",
        principal: header.principal ?? "",
        packDigest: header.packDigest ?? "",
        policyHash: header.policyHash ?? "",
        body: body as CallBody,
      }),
    );
    for (const frame of framesOf(transcript, "agent")) agent.send(frame);
    const answered = (await Promise.all(answers)).map(({ body }) => body);
    expect(answered).toEqual([...results.values()]);
    expect(answered.slice(0, 2).map(({ status }) => status)).toEqual(["ok", "failure"]);
    const expected = readAll(transcript, "agent").flatMap(({ header, body }) => {
      if (header.type === "hello") return [[hello, hello.protocol?.max ?? 1]];
      if (header.type === "host-changed") return ["changed"];
      if (header.type === "refused") return [(body as RefusedBody).failure.message];
      return header.type === "result" || header.type === "reads" ? [] : [body];
    });
    await expect.poll(() => heard).toEqual(expected);
  } finally {
    link.close("the transcript is over");
    agent.terminate();
    server.close();
  }
});

function readAgent(transcript: Transcript) {
  const said = readAll(transcript, "agent");
  const bodyOf = (type: string) => said.find(({ header }) => header.type === type)?.body;
  const results = said.filter(({ header }) => header.type === "result");
  return {
    calls: readAll(transcript, "hub").filter(({ header }) => header.type === "call"),
    hello: bodyOf("hello") as HelloBody,
    results: new Map(results.map(({ header, body }) => [header.callId ?? "", body as ResultBody])),
  };
}
