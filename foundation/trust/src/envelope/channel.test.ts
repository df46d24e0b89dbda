import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import { decodeFrame, encodeBody } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { createChannel } from "./channel.ts";
import { createSigningKey } from "./keys.ts";
import { deriveSessionId } from "./session.ts";

type Pair = { publicKey: KeyObject; privateKey: KeyObject };
const ed25519 = (): Pair => generateKeyPairSync("ed25519");
const rsa = (): Pair => generateKeyPairSync("rsa", { modulusLength: 2048 });

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

test("attack 7: neither a short RSA key nor another kind of key can sign or verify", () => {
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const curve = generateKeyPairSync("ec", { namedCurve: "P-256" });
  for (const { privateKey, publicKey } of [short, curve]) {
    expect(codeOf(() => createSigningKey(privateKey, publicKey))).toBe("CONFIG_INVALID");
  }
});
