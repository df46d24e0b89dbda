import { createPublicKey, randomUUID } from "node:crypto";
import type { SondeError } from "@sonde/schemas/errors";
import { buildHello, buildResult, buildStatement } from "@sonde/schemas/testing";
import {
  type DesiredStateBody,
  type DsseEnvelope,
  encodeBody,
  type MessageType,
  OWN_PROTOCOL,
  type PackReportBody,
  PROTOCOL_CLOSE_CODE,
} from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { createChannel, readAttestedHead } from "@sonde/trust/envelope";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Call } from "../../core/call.ts";
import {
  createHubKeys,
  startTestHub,
  type TestHub,
  type TestSession,
  WELCOME,
} from "../../testing/test-hub.ts";
import { createHubLink, type HubLink } from "./hub-link.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const hello = buildHello();
const report: PackReportBody = { packs: [], auditHead: EMPTY_HEAD, registryHead: null };

let hub: TestHub;
let link: HubLink | undefined;
let refused: PromiseWithResolvers<SondeError>;
let calls: Call[];
let desired: DesiredStateBody[];
let unsupported: string[];
let cancelled: string[];
let attested: DsseEnvelope[];
/** What the agent has to give of its reads. */
let kept: Uint8Array | null;

beforeEach(async () => {
  hub = await startTestHub();
  calls = [];
  desired = [];
  unsupported = [];
  cancelled = [];
  attested = [];
  kept = null;
  refused = Promise.withResolvers();
});
afterEach(async () => {
  link?.close();
  link = undefined;
  await hub.close();
});

function startLink(identity = hub.identity): void {
  link = createHubLink({
    identity: () => identity,
    hub: {
      ...{ place: () => "0.0", seenHead: () => null, seenCheckpoint: () => null },
      takeKeySet: () => undefined,
      commandKey: () => identity.hubKey,
    },
    handlers: {
      onWelcome: () => undefined,
      onHeadRepeated: (message) => attested.push(message),
      onUnsupported: (message) => unsupported.push(message),
      buildHello: () => hello,
      buildPackReport: () => report,
      buildApprovals: () => ({ hubMayGrant: "none", revision: 0, packs: [] }),
      onHubGrants: () => undefined,
      onCertificate: () => undefined,
      onCheckpoint: () => undefined,
      buildWitness: () => null,
      onCancel: (callId) => cancelled.push(callId),
      onAttest: (nonce) => Promise.resolve({ nonce, statement: buildStatement() }),
      onUnattested: () => undefined,
      onKeySet: () => identity.hubKey,
      onDesiredState: (body) => desired.push(body),
      onCall(call) {
        calls.push(call);
        return Promise.resolve({ body: encodeBody(buildResult(call.callId)), reads: kept });
      },
    },
    ensureCertificate: () => Promise.resolve(),
    onRejected: () => undefined,
    onRefused: (why) => refused.resolve(why),
    log: () => undefined,
    now: Date.now,
  });
}

/** Starts a session and takes it past welcome and hello. */
async function startSession(welcome: object = WELCOME): Promise<TestSession> {
  startLink();
  const session = await hub.session();
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(welcome) }));
  expect((await session.next()).header.type).toBe("hello");
  return session;
}

const CALL = { probe: "system.overview", params: { a: 1 }, timeoutMs: 1000 };

function buildCall(callId = randomUUID()) {
  return {
    type: "call" as const,
    callId,
    principal: "key:a",
    probe: "system.overview",
    packDigest: DIGEST,
    body: encodeBody(CALL),
  };
}

test("welcome is answered by hello, a call by its result, with the hub's head witnessed", async () => {
  startLink();
  const session = await hub.session();
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  const first = await session.next();
  expect(first).toMatchObject({
    header: { type: "hello", dir: "agent-to-hub", seq: 1, peerHead: WELCOME.auditHead },
    body: hello,
  });
  expect(link?.connectedSince()).toBeTypeOf("number");

  const message = buildCall();
  session.socket.send(session.channel.seal(message));
  const answer = await session.next();
  expect(answer.header).toMatchObject({ type: "result", callId: message.callId, seq: 2 });
  // With what was asked, so that it is an answer to this question and no other.
  const { principal, probe, packDigest } = message;
  expect(answer.header).toMatchObject({ principal, probe, packDigest });
  expect(calls).toEqual([
    {
      callId: message.callId,
      principal: "key:a",
      askedBy: null,
      // The hub of this test is of the first release.
      ...{ tellsDigests: false, sendReads: false },
      probe: "system.overview",
      packDigest: DIGEST,
      policyHash: null,
      params: { a: 1 },
      timeoutMs: 1000,
    },
  ]);

  const wish = { revision: 1, packs: [] };
  const { auditHead: peerHead } = hello;
  session.socket.send(
    session.channel.seal({ type: "desired-state", body: encodeBody(wish), peerHead }),
  );
  link?.reportPacks();
  expect((await session.next()).header.type).toBe("pack-report");
  await expect.poll(() => desired).toEqual([wish]);
  const hubKey = hub.identity.hubKey.export({ type: "spki", format: "pem" }).toString();
  expect(attested.map((envelope) => readAttestedHead({ hubKey, envelope }).head)).toEqual([
    peerHead,
  ]);
});

test("what was read goes before its answer, and the call says that the hub asks for it", async () => {
  const session = await startSession({ ...WELCOME, protocol: OWN_PROTOCOL });
  kept = encodeBody({ reads: {} });
  const asking = { ...buildCall(), body: encodeBody({ ...CALL, sendReads: true }) };
  session.socket.send(session.channel.seal(asking));
  const heard = [];
  while (heard.at(-1)?.type !== "result") {
    const { header, body } = await session.next();
    if (header.callId === asking.callId) heard.push({ type: header.type, body });
  }
  expect(heard).toMatchObject([{ type: "reads", body: { reads: {} } }, { type: "result" }]);
  expect(calls.map(({ sendReads }) => sendReads)).toEqual([true]);
});

const hostile: [string, string, (session: TestSession) => void][] = [
  [
    "attack 1: a call sent twice",
    "ENVELOPE_SEQUENCE",
    ({ socket, channel }) => {
      const frame = channel.seal(buildCall());
      socket.send(frame);
      socket.send(frame);
    },
  ],
  [
    "attack 4: a flipped bit",
    "ENVELOPE_SIGNATURE",
    ({ socket, channel }) => {
      const frame = Buffer.from(channel.seal(buildCall()));
      const last = frame.length - 2;
      frame[last] = (frame[last] ?? 0) ^ 1;
      socket.send(frame);
    },
  ],
  [
    "attack 2: a call of another session",
    "ENVELOPE_MISDIRECTED",
    ({ socket }) => {
      const { hubId, agentId, key } = hub.identity;
      const elsewhere = createChannel({
        side: "hub",
        hubId,
        agentId,
        sessionId: "A".repeat(43),
        signer: hub.keys.signer,
        peerKey: createPublicKey(key),
        now: Date.now,
      });
      elsewhere.seal({ type: "welcome", body: encodeBody(WELCOME) });
      socket.send(elsewhere.seal(buildCall()));
    },
  ],
  [
    "attack 5: a call by a foreign key",
    "ENVELOPE_SIGNATURE",
    ({ socket, sessionId }) => {
      const { hubId, agentId, key } = hub.identity;
      const { signer } = createHubKeys();
      const foreign = createChannel({
        side: "hub",
        hubId,
        agentId,
        sessionId,
        signer,
        peerKey: createPublicKey(key),
        now: Date.now,
      });
      foreign.seal({ type: "welcome", body: encodeBody(WELCOME) });
      socket.send(foreign.seal(buildCall()));
    },
  ],
  ["a text frame", "ENVELOPE_INVALID", ({ socket }) => socket.send("hello")],
  [
    "a second welcome",
    "ENVELOPE_INVALID",
    ({ socket, channel }) =>
      socket.send(channel.seal({ type: "welcome", body: encodeBody(WELCOME) })),
  ],
  [
    "an agent's kind of message",
    "ENVELOPE_INVALID",
    ({ socket, channel }) =>
      socket.send(channel.seal({ type: "pack-report", body: encodeBody(report) })),
  ],
  [
    "a call whose header names another probe",
    "ENVELOPE_INVALID",
    ({ socket, channel }) =>
      socket.send(channel.seal({ ...buildCall(), probe: "system.disk.usage" })),
  ],
  [
    "a call of another shape",
    "ENVELOPE_INVALID",
    ({ socket, channel }) =>
      socket.send(channel.seal({ ...buildCall(), body: encodeBody({ probe: "system.overview" }) })),
  ],
];

test.each(hostile)("%s ends the session with %s", async (name, code, send) => {
  const session = await startSession();
  send(session);
  expect((await refused.promise).code).toBe(code);
  await session.closed;
  expect(calls.length).toBe(name.startsWith("attack 1") ? 1 : 0);
});

test("attack 3: the agent's own message sent back ends the session", async () => {
  startLink();
  const session = await hub.session();
  const own = new Promise<Buffer>((resolve) => session.socket.once("message", resolve));
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  session.socket.send(await own);
  expect((await refused.promise).code).toBe("ENVELOPE_MISDIRECTED");
  await session.closed;
});

test("a call before the welcome ends the session", async () => {
  startLink();
  const session = await hub.session();
  session.socket.send(session.channel.seal(buildCall()));
  expect((await refused.promise).code).toBe("ENVELOPE_INVALID");
  expect(calls).toEqual([]);
});

test("attack 13: a frame over the limit ends the connection before it is read", async () => {
  const session = await startSession();
  session.socket.send(Buffer.alloc(8 * 1024 * 1024));
  expect(await session.closed).toBe(1009);
});

test("attack 22: the hub's cancel of a call reaches the agent", async () => {
  const session = await startSession();
  const callId = randomUUID();
  session.socket.send(session.channel.seal({ type: "cancel", callId, body: encodeBody({}) }));
  await expect.poll(() => cancelled).toEqual([callId]);
});

test("the agent reconnects after the connection is lost", async () => {
  const session = await startSession();
  session.socket.terminate();
  const again = await hub.session();
  again.socket.send(again.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  expect((await again.next()).header).toMatchObject({ type: "hello", seq: 1 });
  expect(again.sessionId).not.toBe(session.sessionId);
});

test("attack 9: a hub whose certificate another CA issued gets no connection", async () => {
  const stranger = await startTestHub(true);
  try {
    startLink({ ...hub.identity, controlAddress: stranger.identity.controlAddress });
    const connected = stranger.session().then(() => "connected");
    const waited = new Promise((resolve) => setTimeout(resolve, 1000, "refused"));
    expect(await Promise.race([connected, waited])).toBe("refused");
    expect(link?.connectedSince()).toBeNull();
  } finally {
    await stranger.close();
  }
});

const OFFERING = { ...WELCOME, protocol: OWN_PROTOCOL };

test("a hub that offers protocols gets an offer back; the first release gets none", async () => {
  startLink();
  const session = await hub.session();
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(OFFERING) }));
  expect((await session.next()).body).toEqual({ ...hello, protocol: OWN_PROTOCOL });
  link?.close();
  await session.closed;
  startLink();
  const first = await hub.session();
  first.socket.send(first.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  expect((await first.next()).body).toEqual(hello);
});

test("unknown parts of a later hub's statement are ignored", async () => {
  const later = { min: 2, max: 9, features: ["not-known-here"] };
  const session = await startSession({ ...OFFERING, protocol: later, moonPhase: "full" });
  session.socket.send(session.channel.seal(buildCall()));
  expect((await session.next()).header.type).toBe("result");
});

test("a hub without a common protocol is told so in words and gets no hello", async () => {
  startLink();
  const session = await hub.session();
  const ended = new Promise<[number, string]>((resolve) =>
    session.socket.on("close", (code, reason) => resolve([code, reason.toString()])),
  );
  const { max } = OWN_PROTOCOL;
  const body = { ...WELCOME, protocol: { min: max + 1, max: max + 2, features: [] } };
  session.socket.send(session.channel.seal({ type: "welcome", body: encodeBody(body) }));
  expect((await refused.promise).code).toBe("PROTOCOL_UNSUPPORTED");
  expect(await ended).toEqual([
    PROTOCOL_CLOSE_CODE,
    `expected one of protocols 1 to ${max}, the other side speaks ${max + 1} to ${max + 2}`,
  ]);
  expect(link?.connectedSince()).toBeNull();
});

const fromLater: [string, { type: MessageType; body: object; callId?: string }][] = [
  ["a type of message", { type: "horoscope" as MessageType, body: { stars: 3 } }],
  ["a member of a call", { ...buildCall(), body: { ...CALL, hurry: true } }],
  ["a member of an order", { type: "desired-state", body: { revision: 1, packs: [], until: 3 } }],
  [
    "a member of a pack in an order",
    {
      type: "desired-state",
      body: {
        revision: 1,
        packs: [{ name: "sonde/system", version: "1.0.0", digest: DIGEST, on: "mondays" }],
      },
    },
  ],
];

test.each(fromLater)(
  "%s that only a later release knows is refused alone",
  async (_what, message) => {
    const session = await startSession(OFFERING);
    expect((await session.next()).header.type).toBe("approvals");
    session.socket.send(session.channel.seal({ ...message, body: encodeBody(message.body) }));
    const answer = await session.next();
    expect(answer.header).toMatchObject({ type: "refused", callId: message.callId ?? null });
    expect(answer.body).toMatchObject({ seq: 2, failure: { code: "PROTOCOL_UNSUPPORTED" } });
    expect([calls, desired, unsupported.length]).toEqual([[], [], 1]);

    session.socket.send(session.channel.seal(buildCall()));
    expect((await session.next()).header.type).toBe("result");
  },
);

test("the first release gets no refusal of a single message, since it would not know it", async () => {
  const session = await startSession(WELCOME);
  session.socket.send(
    session.channel.seal({ type: "horoscope" as MessageType, body: encodeBody({}) }),
  );
  session.socket.send(session.channel.seal(buildCall()));
  expect((await session.next()).header).toMatchObject({ type: "result", seq: 2 });
  expect(unsupported.length).toBe(1);
});

test("an order with a long unknown member before the welcome ends the session and nothing more", async () => {
  startLink();
  const session = await hub.session();
  const body = encodeBody({ ...CALL, ["long".repeat(40)]: true });
  session.socket.send(session.channel.seal({ ...buildCall(), body }));
  expect((await refused.promise).code).toBe("PROTOCOL_UNSUPPORTED");
  await session.closed;
  const again = await hub.session();
  again.socket.send(again.channel.seal({ type: "welcome", body: encodeBody(WELCOME) }));
  expect((await again.next()).header.type).toBe("hello");
});

test("frames after a refusal are ignored", async () => {
  startLink();
  const { socket, channel, closed } = await hub.session();
  const { max } = OWN_PROTOCOL;
  const body = encodeBody({
    ...WELCOME,
    protocol: { min: max + 1, max: max + 1, features: [] },
  });
  const frames = [
    channel.seal({ type: "welcome", body }),
    channel.seal({ type: "welcome", body: encodeBody(WELCOME) }),
    channel.seal(buildCall()),
  ];
  for (const frame of frames) socket.send(frame);
  await closed;
  expect(calls).toEqual([]);
});
