import { type KeyObject, createHash, createPublicKey } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { KeyAlgorithm } from "@sonde/schemas/wire";
import { algorithmOf, isSignedBy, type SigningKey } from "../envelope/keys.ts";

// Signed notes (C2SP signed-note v1.0.0), each with a signature over the text and a timestamped
// cosignature (C2SP tlog-cosignature).

/** What a key is named for: plain signatures of a log's own, or timestamped ones of a witness. */
export type SignatureKind = "signature" | "cosignature";

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
const MAX_NOTE_BYTES = 16 * 1024;
const MAX_SIGNATURES = 32;
/** Precedes the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410). */
const ED25519_SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** A URL without its scheme, as the format recommends. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,199}$/;

/** A key whose signatures count, and its name. */
export type NoteKey = { readonly name: string; readonly publicKey: KeyObject };

/** Formats a key for a policy: `NAME+KEYID+BASE64`, with the key ID in hex (a vkey). */
export function formatNoteKey(key: NoteKey, kind: SignatureKind = "signature"): string {
  const material = Buffer.concat([typeOf(key, kind), rawKey(key.publicKey)]);
  return `${key.name}+${keyId(key, kind).toString("hex")}+${material.toString("base64")}`;
}

const KEY_OF: Record<SignatureKind, string> = { signature: "log key", cosignature: "witness key" };

/**
 * @param kind of the signatures that the key is for: a log's vkey names another type than a witness's
 * @throws SondeError CONFIG_INVALID for anything but a vkey with an Ed25519 key
 */
export function parseNoteKey(text: string, kind: SignatureKind = "signature"): NoteKey {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  const material = Buffer.from(encoded ?? "", "base64");
  if (
    name === undefined ||
    !NAME.test(name) ||
    material.length !== 33 ||
    material[0] !== TYPES.ed25519[kind][0]
  ) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${KEY_OF[kind]}: expected NAME+KEYID+BASE64 of an Ed25519 key`,
    );
  }
  const publicKey = createPublicKey({
    key: Buffer.concat([ED25519_SPKI, material.subarray(1)]),
    format: "der",
    type: "spki",
  });
  const key = { name, publicKey };
  if (keyId(key, kind).toString("hex") !== id) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${KEY_OF[kind]}: expected the key ID of that name and key`,
    );
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
  const plain = signer.sign(Buffer.from(text, "utf8"));
  return [
    text,
    "\n",
    signatureLine(key, "signature", plain),
    cosignText(text, key, signer, at),
  ].join("");
}

/** The line of a timestamped cosignature over a note's text. */
export function cosignText(
  text: string,
  key: NoteKey,
  signer: Pick<SigningKey, "sign">,
  at: Date,
): string {
  const seconds = BigInt(Math.floor(at.getTime() / 1000));
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(seconds);
  const timed = signer.sign(cosignedMessage(text, seconds));
  return signatureLine(key, "cosignature", Buffer.concat([time, timed]));
}

/**
 * Reads a note and verifies both signatures of that key. Ignores lines of other keys, as
 * the format requires.
 *
 * @returns the text, and the time of the cosignature
 * @throws SondeError REGISTRY_LOG_INCONSISTENT for any other note
 */
export function openNote(note: string, key: NoteKey): { text: string; at: Date } {
  const { text, lines } = splitNote(note);
  const plain = findSignature(lines, key, "signature");
  const timed = findSignature(lines, key, "cosignature");
  if (plain === null || timed === null) throw refused(`a signature and a timestamp of ${key.name}`);
  const at = readTime(timed);
  const sound =
    isSignedBy(key.publicKey, Buffer.from(text, "utf8"), plain) && isTimedBy(key, text, timed);
  if (!sound || at === null) throw refused(`signatures of ${key.name}`);
  return { text, at };
}

/** A note whose signatures nobody has looked at. */
export type UnverifiedNote = { readonly text: string; readonly lines: readonly string[] };

/** @throws SondeError REGISTRY_LOG_INCONSISTENT for what is no note of a bounded size */
export function splitNote(note: string): UnverifiedNote {
  if (Buffer.byteLength(note, "utf8") > MAX_NOTE_BYTES) throw refused("a note of bounded size");
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) throw refused("a signed note");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw refused("fewer signatures");
  return { text: note.slice(0, end + 1), lines };
}

/** True when the note has a plain signature of that key. */
export function isSignedNote({ text, lines }: UnverifiedNote, key: NoteKey): boolean {
  const plain = findSignature(lines, key, "signature");
  return plain !== null && isSignedBy(key.publicKey, Buffer.from(text, "utf8"), plain);
}

/** When that key cosigned the note; null when it did not. */
export function readCosignature({ text, lines }: UnverifiedNote, key: NoteKey): Date | null {
  const timed = findSignature(lines, key, "cosignature");
  return timed !== null && isTimedBy(key, text, timed) ? readTime(timed) : null;
}

function isTimedBy(key: NoteKey, text: string, timed: Buffer): boolean {
  if (timed.length <= 8) return false;
  const seconds = timed.readBigUInt64BE(0);
  return isSignedBy(key.publicKey, cosignedMessage(text, seconds), timed.subarray(8));
}

/** Null for a time that a JavaScript Date cannot hold, and for none. */
function readTime(timed: Buffer): Date | null {
  if (timed.length <= 8) return null;
  const seconds = timed.readBigUInt64BE(0);
  return seconds > 8_000_000_000_000n ? null : new Date(Number(seconds) * 1000);
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
