import { createHash, type KeyObject } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Direction,
  type DsseEnvelope,
  type EnvelopeHeader,
  type LogHead,
  MAX_SKEW_MS,
  type MessageType,
  PAYLOAD_TYPES,
  decodeFrame,
  encodeFrame,
  parseDsseEnvelope,
  parseEnvelopeHeader,
} from "@sonde/schemas/wire";
import { dssePae } from "./dsse.ts";
import { keyIdOf, type SigningKey, isSignedBy } from "./keys.ts";

/** Hard limit of a message's envelope, in bytes. */
const MAX_ENVELOPE_BYTES = 16_384;
/** How long a message is valid; the threat model allows 60 s at most. */
const LIFETIME_MS = 60_000;

export type ChannelOptions = {
  side: "hub" | "agent";
  hubId: string;
  agentId: string;
  sessionId: string;
  /** This side's key. */
  signer: SigningKey;
  /** The other side's public key, known before the session. */
  peerKey: KeyObject;
  /** Unix time in ms. */
  now: () => number;
};

export type Outgoing = {
  type: MessageType;
  /** JSON in UTF-8; sent unchanged. */
  body: Uint8Array;
  callId?: string;
  principal?: string | null;
  probe?: string;
  packDigest?: Digest | null;
  policyHash?: Digest | null;
  peerHead?: LogHead;
};

/**
 * `envelope` is kept as evidence forever; the body may be dropped later. `bytes` is the body as it was
 * signed.
 */
export type Incoming = {
  header: EnvelopeHeader;
  body: unknown;
  bytes: Buffer;
  envelope: DsseEnvelope;
};

/**
 * The signed messages of one session, in both directions. Has one owner and keeps nothing
 * on disk. After `open` has thrown once, the channel refuses everything, and the caller
 * closes the session.
 */
export type Channel = {
  /** Signs a message and returns it as one binary frame. Uses up a sequence number. */
  seal(message: Outgoing): Buffer;
  /**
   * Verifies a frame and returns its content. Checks, in this order: form, the peer's
   * signature, session and direction, sequence number, time, digest of the body. Parses
   * the body last.
   *
   * @throws SondeError with an ENVELOPE_* code
   */
  open(frame: Buffer): Incoming;
  /** Signs the messages from the next one on with another key of this side. */
  signWith(signer: SigningKey): void;
  /** Expects the peer's messages from the next one on to be signed with that key. */
  expectKey(peerKey: KeyObject): void;
  /**
   * The peer's clock minus this side's, in ms, at the peer's last message: one that it signed for
   * this session and sequence, also when it was then refused for its time. The time on the way makes
   * it lower. Null before the first one.
   */
  peerSkewMs(): number | null;
};

export function createChannel(options: ChannelOptions): Channel {
  const outgoing: Direction = options.side === "hub" ? "hub-to-agent" : "agent-to-hub";
  const incoming: Direction = options.side === "hub" ? "agent-to-hub" : "hub-to-agent";
  let { signer, peerKey } = options;
  let peerKeyId = keyIdOf(peerKey);
  let sent = 0;
  let received = 0;
  let skewMs: number | null = null;
  let broken = false;

  function openChecked(frame: Buffer): Incoming {
    const parts = decodeFrame(frame, MAX_ENVELOPE_BYTES, "ENVELOPE_INVALID");
    const envelope = parseDsseEnvelope(parts.head);
    const payload = Buffer.from(envelope.payload, "base64");
    checkSignature(envelope, payload, PAYLOAD_TYPES[incoming], peerKey, peerKeyId);
    const header = parseEnvelopeHeader(parseJson(payload, "envelope header", "ENVELOPE_INVALID"));
    checkAddress(header, incoming, options);
    if (header.seq !== received + 1) {
      throw new SondeError(
        "ENVELOPE_SEQUENCE",
        `expected message ${received + 1} of this session, got ${header.seq}`,
      );
    }
    const now = options.now();
    skewMs = header.iat - now;
    checkTime(header, now);
    if (header.bodySha256 !== sha256(parts.body)) {
      throw new SondeError("ENVELOPE_SIGNATURE", "expected the body that was signed, got another");
    }
    received = header.seq;
    const body = parseJson(parts.body, `${header.type} body`, "ENVELOPE_INVALID");
    return { header, body, bytes: parts.body, envelope };
  }

  return {
    peerSkewMs: () => skewMs,
    signWith(next) {
      signer = next;
    },
    expectKey(next) {
      peerKey = next;
      peerKeyId = keyIdOf(next);
    },
    seal(message) {
      const iat = options.now();
      sent += 1;
      const header: EnvelopeHeader = {
        type: message.type,
        hubId: options.hubId,
        agentId: options.agentId,
        sessionId: options.sessionId,
        dir: outgoing,
        seq: sent,
        iat,
        exp: iat + LIFETIME_MS,
        callId: message.callId ?? null,
        principal: message.principal ?? null,
        probe: message.probe ?? null,
        packDigest: message.packDigest ?? null,
        policyHash: message.policyHash ?? null,
        bodySha256: sha256(message.body),
        peerHead: message.peerHead ?? null,
      };
      return encodeFrame(sealHeader(header, outgoing, signer), message.body);
    },
    open(frame) {
      if (broken) {
        throw new SondeError("ENVELOPE_SEQUENCE", "this session was refused before and is closed");
      }
      try {
        return openChecked(frame);
      } catch (thrown) {
        broken = true;
        throw thrown;
      }
    },
  };
}

function sealHeader(
  header: EnvelopeHeader,
  direction: Direction,
  signer: SigningKey,
): DsseEnvelope {
  const payload = Buffer.from(JSON.stringify(header), "utf8");
  const payloadType = PAYLOAD_TYPES[direction];
  return {
    payloadType,
    payload: payload.toString("base64"),
    signatures: [
      {
        keyid: signer.keyId,
        sig: signer.sign(dssePae(payloadType, payload)).toString("base64"),
      },
    ],
  };
}

/** @throws SondeError ENVELOPE_MISDIRECTED, ENVELOPE_SIGNATURE */
export function checkSignature(
  envelope: DsseEnvelope,
  payload: Buffer,
  payloadType: string,
  peerKey: KeyObject,
  peerKeyId: Digest,
): void {
  // The receiver chooses the payload type, not the message. This prevents reflection (attack 3).
  if (envelope.payloadType !== payloadType) {
    throw new SondeError(
      "ENVELOPE_MISDIRECTED",
      `expected payload type ${payloadType}, got ${envelope.payloadType}`,
    );
  }
  const [signature] = envelope.signatures;
  const signed =
    signature !== undefined &&
    signature.keyid === peerKeyId &&
    payload.toString("base64") === envelope.payload &&
    isCanonicalBase64(signature.sig) &&
    isSignedBy(peerKey, dssePae(payloadType, payload), Buffer.from(signature.sig, "base64"));
  if (!signed) {
    throw new SondeError("ENVELOPE_SIGNATURE", "expected a signature by the peer's key, got none");
  }
}

/** Only one base64 text is accepted per signature, so that any flipped bit in it is noticed. */
function isCanonicalBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64") === text;
}

function checkAddress(header: EnvelopeHeader, dir: Direction, expected: ChannelOptions): void {
  const fits =
    header.dir === dir &&
    header.hubId === expected.hubId &&
    header.agentId === expected.agentId &&
    header.sessionId === expected.sessionId;
  if (!fits) {
    throw new SondeError(
      "ENVELOPE_MISDIRECTED",
      "expected a message of this session and direction, got one signed for another",
    );
  }
}

function checkTime(header: EnvelopeHeader, now: number): void {
  const tooOld = now > header.exp + MAX_SKEW_MS;
  const tooNew = header.iat > now + MAX_SKEW_MS;
  if (tooOld || tooNew || header.exp - header.iat > LIFETIME_MS) {
    throw new SondeError(
      "ENVELOPE_EXPIRED",
      `expected a message valid now, got one signed ${Math.round((now - header.iat) / 1000)} s ago`,
    );
  }
}

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
