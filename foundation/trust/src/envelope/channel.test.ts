import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from "node:crypto";
import { decodeFrame, type DsseEnvelope, encodeBody, encodeFrame } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { createChannel } from "./channel.ts";
import { dssePae } from "./dsse.ts";
import { createKeyPair, createSigningKey, isSignedBy } from "./keys.ts";
import { deriveSessionId } from "./session.ts";

type Pair = { publicKey: KeyObject; privateKey: KeyObject };
const ed25519 = (): Pair => generateKeyPairSync("ed25519");
const rsaPair = createKeyPair("rsa-sha256");
const rsa = (): Pair => rsaPair;

function setUp(keys: { hub?: Pair; agent?: Pair } = {}) {
  const hubKeys = keys.hub ?? ed25519();
  const agentKeys = keys.agent ?? ed25519();
  let clock = Date.parse("2026-01-01T00:00:00Z");
  const session = {
    hubId: randomUUID(),
    agentId: randomUUID(),
    sessionId: deriveSessionId(randomBytes(32), randomBytes(32), randomBytes(32)),
    now: () => clock,
  };
  const hubOptions = {
    ...session,
    side: "hub" as const,
    signer: createSigningKey(hubKeys.privateKey, hubKeys.publicKey),
    peerKey: agentKeys.publicKey,
  };
  const agentOptions = {
    ...session,
    side: "agent" as const,
    signer: createSigningKey(agentKeys.privateKey, agentKeys.publicKey),
    peerKey: hubKeys.publicKey,
  };
  return {
    hub: createChannel(hubOptions),
    agent: createChannel(agentOptions),
    hubOptions,
    agentOptions,
    advance: (ms: number) => {
      clock += ms;
    },
  };
}

const CALL = { probe: "system.overview", params: {}, timeoutMs: 1 };
const call = { type: "call" as const, body: encodeBody(CALL) };

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
  return "accepted";
}

test.each([
  ["ed25519", ed25519, ed25519],
  ["rsa-sha256", rsa, rsa],
  ["one of each", rsa, ed25519],
])("messages pass both ways under %s", (_name, hubKind, agentKind) => {
  const { hub, agent } = setUp({ hub: hubKind(), agent: agentKind() });
  const received = agent.open(hub.seal(call));
  expect(received.body).toEqual(CALL);
  expect(received.header).toMatchObject({ type: "call", seq: 1, dir: "hub-to-agent" });
  expect(hub.open(agent.seal({ type: "result", body: encodeBody({ ok: 1 }) })).body).toEqual({
    ok: 1,
  });
  expect(agent.open(hub.seal(call)).header.seq).toBe(2);
});

test("attack 4: any single flipped bit is refused", () => {
  const { hub, agentOptions } = setUp();
  const frame = hub.seal(call);
  for (let byte = 0; byte < frame.length; byte++) {
    for (let bit = 0; bit < 8; bit++) {
      const tampered = Buffer.from(frame);
      tampered[byte] = (tampered[byte] ?? 0) ^ (1 << bit);
      expect(codeOf(() => createChannel(agentOptions).open(tampered))).toMatch(/^ENVELOPE_/);
    }
  }
});

test("attack 1: a replayed, reordered or lost message is refused and closes the session", () => {
  const { hub, agent } = setUp();
  const first = hub.seal(call);
  const second = hub.seal(call);
  expect(agent.open(first).header.seq).toBe(1);
  expect(codeOf(() => agent.open(first))).toBe("ENVELOPE_SEQUENCE");
  expect(codeOf(() => agent.open(second))).toBe("ENVELOPE_SEQUENCE");

  const other = setUp();
  other.hub.seal(call);
  expect(codeOf(() => other.agent.open(other.hub.seal(call)))).toBe("ENVELOPE_SEQUENCE");
});

test("attack 2: a message for another session, agent or hub is refused", () => {
  const { hubOptions, agentOptions } = setUp();
  for (const change of [
    { sessionId: "A".repeat(43) },
    { agentId: randomUUID() },
    { hubId: randomUUID() },
  ]) {
    const frame = createChannel({ ...hubOptions, ...change }).seal(call);
    expect(codeOf(() => createChannel(agentOptions).open(frame))).toBe("ENVELOPE_MISDIRECTED");
  }
});

test("attack 3: a message reflected to its sender is refused, even under one shared key", () => {
  const shared = ed25519();
  const { hub, agent } = setUp({ hub: shared, agent: shared });
  expect(codeOf(() => hub.open(hub.seal(call)))).toBe("ENVELOPE_MISDIRECTED");
  expect(codeOf(() => agent.open(agent.seal(call)))).toBe("ENVELOPE_MISDIRECTED");
});

test("attack 5: a message by any other key is refused", () => {
  const { hubOptions, agent } = setUp();
  const foreign = ed25519();
  const signer = createSigningKey(foreign.privateKey, foreign.publicKey);
  const frame = createChannel({ ...hubOptions, signer }).seal(call);
  expect(codeOf(() => agent.open(frame))).toBe("ENVELOPE_SIGNATURE");
});

test("attack 5: the key id alone does not make a signature", () => {
  const { hubOptions, agent } = setUp();
  const foreign = ed25519();
  const other = createSigningKey(foreign.privateKey, foreign.publicKey);
  const signer = {
    keyId: hubOptions.signer.keyId,
    sign: (bytes: Uint8Array) => other.sign(bytes),
  };
  expect(codeOf(() => agent.open(createChannel({ ...hubOptions, signer }).seal(call)))).toBe(
    "ENVELOPE_SIGNATURE",
  );
});

test("attack 8: a signed message that has a member twice is refused, and ends the session", () => {
  const body = (text: string) => ({ type: "call" as const, body: Buffer.from(text) });
  for (const text of ['{"probe":"a","probe":"b"}', '{"params":{"all":1,"\\u0061ll":2}}']) {
    const { hub, agent } = setUp();
    expect(codeOf(() => agent.open(hub.seal(body(text))))).toBe("ENVELOPE_INVALID");
    expect(codeOf(() => agent.open(hub.seal(call)))).toBe("ENVELOPE_SEQUENCE");
  }
});

test("attack 8: a signed header that has a member twice is refused", () => {
  const { hub, agent, hubOptions } = setUp();
  const { head, body } = decodeFrame(hub.seal(call), 16_384, "ENVELOPE_INVALID");
  const envelope = head as DsseEnvelope;
  const header = Buffer.from(envelope.payload, "base64").toString();
  const answer = (text: string) => {
    const payload = Buffer.from(text);
    const sig = hubOptions.signer.sign(dssePae(envelope.payloadType, payload));
    const [{ keyid } = { keyid: "" }] = envelope.signatures;
    const signatures = [{ keyid, sig: Buffer.from(sig).toString("base64") }];
    const signed = { ...envelope, payload: payload.toString("base64"), signatures };
    return codeOf(() => agent.open(encodeFrame(signed, body)));
  };
  expect(answer(header.replace("{", '{"probe":"system.overview",'))).toBe("ENVELOPE_INVALID");
  expect(answer(header)).not.toBe("ENVELOPE_SIGNATURE");
});

test("attack 11: an old message and one from the future are refused", () => {
  const late = setUp();
  const frame = late.hub.seal(call);
  late.advance(91_000);
  expect(codeOf(() => late.agent.open(frame))).toBe("ENVELOPE_EXPIRED");

  const early = setUp();
  const future = createChannel({
    ...early.hubOptions,
    now: () => early.hubOptions.now() + 40_000,
  }).seal(call);
  expect(codeOf(() => early.agent.open(future))).toBe("ENVELOPE_EXPIRED");
});

test("attack 13: an envelope over its cap is refused unread", () => {
  const signed = (spaces: number) => {
    const { hub, agent } = setUp();
    const { head, body } = decodeFrame(hub.seal(call), 16_384, "ENVELOPE_INVALID");
    const text = JSON.stringify(head);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(spaces);
    const frame = Buffer.concat([length, Buffer.from(text.padEnd(spaces)), body]);
    return codeOf(() => agent.open(frame));
  };
  expect(signed(16_384)).toBe("accepted");
  expect(signed(16_385)).toBe("ENVELOPE_INVALID");
});

test.each<[string, () => Pair]>([
  ["an RSA key of 2048 bits", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["an RSA key of 4608 bits", () => generateKeyPairSync("rsa", { modulusLength: 4608 })],
  [
    "an RSA key with the exponent 3",
    () => generateKeyPairSync("rsa", { modulusLength: 3072, publicExponent: 3 }),
  ],
  ["an RSA-PSS key", () => generateKeyPairSync("rsa-pss", { modulusLength: 3072 })],
  ["another curve", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["ed448", () => generateKeyPairSync("ed448")],
])("attack 7: %s can neither sign nor verify", (_what, generate) => {
  const { privateKey, publicKey } = generate();
  expect(codeOf(() => createSigningKey(privateKey, publicKey))).toBe("CONFIG_INVALID");
  expect(codeOf(() => isSignedBy(publicKey, Buffer.from("a"), Buffer.alloc(64)))).toBe(
    "CONFIG_INVALID",
  );
});

test("attack 7: the key that is known decides the algorithm, whatever signed the message", () => {
  const text = Buffer.from("text");
  const made = sign("sha512", text, rsaPair.privateKey);
  expect(isSignedBy(rsaPair.publicKey, text, made)).toBe(false);
  const own = createSigningKey(rsaPair.privateKey, rsaPair.publicKey).sign(text);
  expect(isSignedBy(rsaPair.publicKey, text, own)).toBe(true);
  expect(isSignedBy(ed25519().publicKey, text, own)).toBe(false);
});
