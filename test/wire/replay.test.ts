import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type CallBody, type HelloBody, type ResultBody, encodeBody } from "@sonde/schemas/wire";
import { createChannel, createSigningKey } from "@sonde/trust/envelope";
import { WebSocket, WebSocketServer } from "ws";
import { expect, test } from "vitest";
import { createSession } from "../../agent/daemon/src/edge/hub/session.ts";
import { createAgentLink } from "../../hub/src/links/edge/agent-link.ts";
import type { Transcript } from "./transcript.ts";

// Replays to this release's agent and hub what hubs and agents of earlier releases sent. A
// transcript is never changed: when it fails here, the code no longer works with that release.

const folder = join(import.meta.dirname, "transcripts");
const transcripts = readdirSync(folder).map(
  (file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Transcript,
);
const framesOf = ({ frames }: Transcript, from: "hub" | "agent"): Buffer[] =>
  frames.filter((one) => one.from === from).map(({ frame }) => Buffer.from(frame, "base64"));
/** A new key for our side of the session: only the other side's signatures are recorded ones. */
const own = generateKeyPairSync("ed25519");

/** A side's messages, in the form that the envelope code reads. */
function readAll(transcript: Transcript, from: "hub" | "agent") {
  const channel = createChannel({
    ...transcript,
    side: from === "hub" ? "agent" : "hub",
    signer: createSigningKey(own.privateKey, own.publicKey),
    peerKey: createPublicKey(from === "hub" ? transcript.hubKey : transcript.agentKey),
    now: () => transcript.startedAt,
  });
  return framesOf(transcript, from).map((frame) => channel.open(frame));
}

test("there are transcripts of the first release and of the first one with protocol negotiation", () => {
  expect(transcripts.map(({ release }) => release)).toEqual(["0.1.0", "0.2.0"]);
  for (const transcript of transcripts) {
    const said = (from: "hub" | "agent") =>
      new Set(readAll(transcript, from).map(({ header }) => header.type));
    expect(said("hub")).toEqual(new Set(["welcome", "desired-state", "certificate", "call"]));
    expect(said("agent")).toEqual(new Set(["hello", "result", "pack-report"]));
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
      onDesiredState: (body) => heard.push(body),
      onCertificate: (certificate) => heard.push(certificate),
      onUnsupported: (message) => unsupported.push(message),
      onCall: ({ callId }) => Promise.resolve(encodeBody(results.get(callId) ?? {})),
    },
    (frame) => sent.push(there.open(frame)),
    () => transcript.startedAt,
  );
  for (const frame of framesOf(transcript, "hub")) session.receive(frame);
  const calls = readAll(transcript, "hub").filter(({ header }) => header.type === "call");
  await expect.poll(() => sent.length).toBe(1 + calls.length);

  expect(unsupported).toEqual([]);
  expect(heard[0]).toEqual([transcript.release, transcript.release === "0.1.0" ? 1 : 2]);
  expect(heard.slice(1)).toEqual(
    readAll(transcript, "hub").flatMap(({ header, body }) => {
      if (header.type === "desired-state") return [body];
      if (header.type === "certificate") return [(body as { certificate: string }).certificate];
      return [];
    }),
  );
  expect(sent[0]?.header.type).toBe("hello");
  expect((sent[0]?.body as HelloBody | undefined)?.protocol !== undefined).toBe(
    transcript.release !== "0.1.0",
  );
  expect(sent.slice(1).map(({ header }) => header.callId)).toEqual(
    calls.map(({ header }) => header.callId),
  );
});

// Attack 66.
test.each(transcripts)("this hub serves the agent of release $release", async (transcript) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const accepted = once(server, "connection");
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(agent, "open");
  const [socket] = (await accepted) as [WebSocket];
  const heard: unknown[] = [];
  const { calls, hello, results, report } = readAgent(transcript);
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
    expect(answered.map(({ status }) => status)).toEqual(["ok", "failure"]);
    await expect.poll(() => heard).toEqual([[hello, hello.protocol?.max ?? 1], report]);
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
    report: bodyOf("pack-report"),
    results: new Map(results.map(({ header, body }) => [header.callId ?? "", body as ResultBody])),
  };
}
