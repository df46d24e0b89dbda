import { randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { decodeFrame, encodeBody, parseDsseEnvelope } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { createChannel } from "./channel.ts";
import { type KeptMessage, openKeptMessage } from "./kept-message.ts";
import { createKeyPair, createSigningKey } from "./keys.ts";

const hub = createKeyPair("ed25519");
const other = createKeyPair("ed25519");
const [hubId, agentId] = [randomUUID(), randomUUID()];
const body = { revision: 7, grants: [] };

/** A message of the hub, as the agent keeps it. */
function keep(
  change: {
    hubId?: string;
    agentId?: string;
    side?: "hub" | "agent";
    type?: "hub-grants" | "call";
  } = {},
  key = hub,
): KeptMessage {
  const channel = createChannel({
    ...{ hubId, agentId, sessionId: "s".repeat(43), side: "hub", ...change },
    signer: createSigningKey(key.privateKey, key.publicKey),
    peerKey: key.publicKey,
    now: () => Date.parse("2026-01-01T00:00:00.000Z"),
  });
  const frame = channel.seal({ type: change.type ?? "hub-grants", body: encodeBody(body) });
  const parts = decodeFrame(frame, 16_384, "ENVELOPE_INVALID");
  return { envelope: parseDsseEnvelope(parts.head), body: parts.body.toString("base64") };
}

function open(message: KeptMessage, keys = [hub.publicKey]): unknown {
  try {
    return openKeptMessage(message, {
      type: "hub-grants",
      dir: "hub-to-agent",
      hubId,
      agentId,
      keys,
    });
  } catch (thrown) {
    return thrown instanceof SondeError ? thrown.code : thrown;
  }
}

test("a message of long ago opens by a key of the hub that counts", () => {
  expect(open(keep())).toEqual(body);
  expect(open(keep(), [other.publicKey, hub.publicKey])).toEqual(body);
});

// Attacks 2, 3 and 5.
test.each<[string, KeptMessage, string]>([
  ["another key", keep({}, other), "ENVELOPE_SIGNATURE"],
  ["another hub", keep({ hubId: randomUUID() }), "ENVELOPE_MISDIRECTED"],
  ["another agent", keep({ agentId: randomUUID() }), "ENVELOPE_MISDIRECTED"],
  ["the agent itself", keep({ side: "agent" }), "ENVELOPE_MISDIRECTED"],
  ["the hub, of another type", keep({ type: "call" }), "ENVELOPE_MISDIRECTED"],
])("a message of %s is refused", (_, message, code) => {
  expect(open(message)).toBe(code);
});

test("a message with another body is refused", () => {
  const forged = Buffer.from(JSON.stringify({ ...body, revision: 8 })).toString("base64");
  expect(open({ ...keep(), body: forged })).toBe("ENVELOPE_SIGNATURE");
});

// Attack 4.
test("a message whose header was changed after it was signed is refused", () => {
  const { envelope, ...kept } = keep();
  const header = JSON.parse(Buffer.from(envelope.payload, "base64").toString()) as { seq: number };
  const changed = Buffer.from(JSON.stringify({ ...header, seq: header.seq + 1 }));
  const forged = { ...envelope, payload: changed.toString("base64") };
  expect(open({ ...kept, envelope: forged })).toBe("ENVELOPE_SIGNATURE");
});
