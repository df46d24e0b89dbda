import { type KeyObject, createHash, createPublicKey } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { KeyAlgorithm } from "@sonde/schemas/wire";
import { algorithmOf, isSignedBy, type SigningKey } from "../envelope/keys.ts";

// Signed notes (C2SP signed-note v1.0.0), each with a signature over the text and a timestamped
// cosignature (C2SP tlog-cosignature).

type SignatureKind = "signature" | "cosignature";

/**
 * The signature types of each kind of key. The specification has none for RSA, and 0xff with a name
 * of one's own for what it does not have.
 */
const TYPES: Record<KeyAlgorithm, Record<SignatureKind, Buffer>> = {
  ed25519: { signature: Buffer.of(0x01), cosignature: Buffer.of(0x04) },
  "rsa-sha256": {
    signature: Buffer.from("\xffsonde-rsa-sha256", "latin1"),
    cosignature: Buffer.from("\xffsonde-rsa-sha256-cosignature", "latin1"),
  },
};
const ED25519_TYPE = 0x01;
const MAX_NOTE_BYTES = 16 * 1024;
const MAX_SIGNATURES = 32;
/** Precedes the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410). */
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** A URL without its scheme, as the format recommends. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,199}$/;

/** A key whose signatures count, and its name. */
export type NoteKey = { readonly name: string; readonly publicKey: KeyObject };

/** Formats a key for a policy: `NAME+KEYID+BASE64`, with the key ID in hex (a vkey). */
export function formatNoteKey(key: NoteKey): string {
  const material = Buffer.concat([typeOf(key, "signature"), rawKey(key.publicKey)]);
  return `${key.name}+${keyId(key, "signature").toString("hex")}+${material.toString("base64")}`;
}

/** @throws SondeError CONFIG_INVALID for anything but a vkey with an Ed25519 key */
export function parseNoteKey(text: string): NoteKey {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  const material = Buffer.from(encoded ?? "", "base64");
  if (
    name === undefined ||
    !NAME.test(name) ||
    material.length !== 33 ||
    material[0] !== ED25519_TYPE
  ) {
    throw new SondeError("CONFIG_INVALID", "log key: expected NAME+KEYID+BASE64 of an Ed25519 key");
  }
  const publicKey = createPublicKey({
    key: Buffer.concat([ED25519_SPKI, material.subarray(1)]),
    format: "der",
    type: "spki",
  });
  const key = { name, publicKey };
  if (keyId(key, "signature").toString("hex") !== id) {
    throw new SondeError("CONFIG_INVALID", "log key: expected the key ID of that name and key");
  }
  return key;
}

/**
 * Signs a text that ends in a newline: one plain signature, and one timestamped
 * cosignature by the same key.
 */
export function signNote(
  text: string,
  key: NoteKey,
  signer: Pick<SigningKey, "sign">,
  at: Date,
): string {
  const seconds = BigInt(Math.floor(at.getTime() / 1000));
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(seconds);
  const plain = signer.sign(Buffer.from(text, "utf8"));
  const timed = signer.sign(cosignedMessage(text, seconds));
  return [
    text,
    "\n",
    signatureLine(key, "signature", plain),
    signatureLine(key, "cosignature", Buffer.concat([time, timed])),
  ].join("");
}

/**
 * Reads a note and verifies both signatures of that key. Ignores lines of other keys, as
 * the format requires.
 *
 * @returns the text, and the time of the cosignature
 * @throws SondeError REGISTRY_LOG_INCONSISTENT for any other note
 */
export function openNote(note: string, key: NoteKey): { text: string; at: Date } {
  if (Buffer.byteLength(note, "utf8") > MAX_NOTE_BYTES) throw refused("a note of bounded size");
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) throw refused("a signed note");
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw refused("fewer signatures");
  const plain = findSignature(lines, key, "signature");
  const timed = findSignature(lines, key, "cosignature");
  if (plain === null || timed === null || timed.length <= 8)
    throw refused(`a signature and a timestamp of ${key.name}`);
  const seconds = timed.readBigUInt64BE(0);
  const sound =
    isSignedBy(key.publicKey, Buffer.from(text, "utf8"), plain) &&
    isSignedBy(key.publicKey, cosignedMessage(text, seconds), timed.subarray(8));
  // A JavaScript Date cannot hold a later time.
  if (!sound || seconds > 8_000_000_000_000n) throw refused(`signatures of ${key.name}`);
  return { text, at: new Date(Number(seconds) * 1000) };
}

function findSignature(lines: readonly string[], key: NoteKey, kind: SignatureKind): Buffer | null {
  const id = keyId(key, kind);
  for (const line of lines) {
    const [, name, encoded] = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
    const bytes = Buffer.from(encoded ?? "", "base64");
    // Refuses a second base64 spelling of the same bytes.
    const canonical = bytes.toString("base64") === encoded;
    if (canonical && name === key.name && bytes.subarray(0, 4).equals(id)) return bytes.subarray(4);
  }
  return null;
}

function signatureLine(key: NoteKey, kind: SignatureKind, signature: Buffer): string {
  return `— ${key.name} ${Buffer.concat([keyId(key, kind), signature]).toString("base64")}\n`;
}

function cosignedMessage(text: string, seconds: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`, "utf8");
}

function typeOf({ publicKey }: NoteKey, kind: SignatureKind): Buffer {
  return TYPES[algorithmOf(publicKey)][kind];
}

function keyId(key: NoteKey, kind: SignatureKind): Buffer {
  return createHash("sha256")
    .update(`${key.name}\n`)
    .update(typeOf(key, kind))
    .update(rawKey(key.publicKey))
    .digest()
    .subarray(0, 4);
}

/** The 32 bytes of an Ed25519 key; of an RSA key its SubjectPublicKeyInfo. */
function rawKey(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ format: "der", type: "spki" });
  return algorithmOf(publicKey) === "ed25519" ? spki.subarray(ED25519_SPKI.length) : spki;
}

function refused(expected: string): SondeError {
  return new SondeError("REGISTRY_LOG_INCONSISTENT", `checkpoint: expected ${expected}, got none`);
}
