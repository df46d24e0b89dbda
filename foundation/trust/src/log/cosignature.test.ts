import { describe, expect, test } from "vitest";
import { createKeyPair, createSigningKey } from "../envelope/keys.ts";
import { createSampleLog } from "../testing/index.ts";
import {
  cosignCheckpoint,
  isSignedByLog,
  openCosigned,
  readForeignCheckpoint,
} from "./cosignature.ts";
import { formatNoteKey, type NoteKey, parseNoteKey, signNote } from "./signed-note.ts";

const AT = new Date("2026-01-02T03:04:05.000Z");

function createWitness(name = "witness.example/w1") {
  const { privateKey, publicKey } = createKeyPair("ed25519");
  const key: NoteKey = { name, publicKey };
  return { key, signer: createSigningKey(privateKey, publicKey) };
}

const log = createSampleLog("log.example/one");
for (let index = 0; index < 7; index++) log.append(Buffer.from(`entry ${index}`));
const note = log.checkpoint({ at: AT });
const witness = createWitness();
const cosign = (text = note, { key, signer } = witness) =>
  `${text}${cosignCheckpoint(readForeignCheckpoint(text), key, signer, AT)}`;

describe("the key of a witness", () => {
  test("is named by its vkey, which is no vkey of a log", () => {
    const vkey = formatNoteKey(witness.key, "cosignature");
    const parsed = parseNoteKey(vkey, "cosignature");
    expect(parsed.name).toBe(witness.key.name);
    expect(parsed.publicKey.equals(witness.key.publicKey)).toBe(true);
    const [, id = ""] = vkey.split("+");
    const mixed = formatNoteKey(witness.key).replace(/\+[0-9a-f]{8}\+/, `+${id}+`);
    for (const parse of [
      () => parseNoteKey(mixed, "cosignature"),
      () => parseNoteKey(vkey),
      () => parseNoteKey(formatNoteKey(witness.key), "cosignature"),
      () => parseNoteKey(vkey.replace("+", "x+"), "cosignature"),
      () => parseNoteKey("", "cosignature"),
    ]) {
      expect(parse).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }) as Error);
    }
  });
});

describe("a cosigned checkpoint", () => {
  test("says what the witness saw and when, beside the log's own signatures", () => {
    const opened = openCosigned(cosign(), witness.key);
    expect(opened).toMatchObject({ at: AT, stated: { origin: "log.example/one", size: 7 } });
    expect(isSignedByLog(readForeignCheckpoint(cosign()), [log.key])).toBe(true);
  });

  test("is none of another witness, of another name, or of another text", () => {
    const other = createWitness();
    expect(openCosigned(cosign(), other.key)).toBe(null);
    expect(openCosigned(cosign(note, other), witness.key)).toBe(null);
    expect(openCosigned(cosign(), { ...witness.key, name: "witness.example/w2" })).toBe(null);
    expect(openCosigned(cosign().replace("\n7\n", "\n8\n"), witness.key)).toBe(null);
    expect(openCosigned(note, witness.key)).toBe(null);
    expect(openCosigned("no note", witness.key)).toBe(null);
  });

  test("is not one by a plain signature of the witness's key", () => {
    const [text = ""] = note.split("\n\n");
    const plain = signNote(`${text}\n`, witness.key, witness.signer, AT).split("\n").at(-3) ?? "";
    expect(plain).toMatch(/^\u2014 witness\.example\/w1 /u);
    expect(openCosigned(`${note}${plain}\n`, witness.key)).toBe(null);
  });
});

describe("a checkpoint of another log", () => {
  test("counts by the keys of its own origin only", () => {
    const read = readForeignCheckpoint(note);
    const impostor = createSampleLog("log.example/one");
    expect(isSignedByLog(read, [log.key])).toBe(true);
    expect(isSignedByLog(read, [impostor.key, log.key])).toBe(true);
    expect(isSignedByLog(read, [impostor.key])).toBe(false);
    expect(isSignedByLog(read, [{ ...log.key, name: "log.example/two" }])).toBe(false);
    expect(isSignedByLog(read, [])).toBe(false);
  });

  test("does not count when the key of another log signed it", () => {
    const { key, signer } = createWitness("log.example/two");
    const root = Buffer.alloc(32, 1).toString("base64");
    const read = readForeignCheckpoint(signNote(`log.example/one\n3\n${root}\n`, key, signer, AT));
    expect(isSignedByLog(read, [key, log.key])).toBe(false);
  });

  test("may have extension lines, which are cosigned too", () => {
    const { key, signer } = createWitness("log.example/two");
    const root = Buffer.alloc(32, 1).toString("base64");
    const extended = signNote(`log.example/two\n3\n${root}\nextension\n`, key, signer, AT);
    const read = readForeignCheckpoint(extended);
    expect(read.stated).toMatchObject({ size: 3, extensions: 1 });
    expect(isSignedByLog(read, [key])).toBe(true);
    expect(openCosigned(cosign(extended), witness.key)?.stated.size).toBe(3);
    expect(openCosigned(cosign(extended).replace("extension", "another"), witness.key)).toBe(null);
  });

  test.each([
    ["no origin", "\n3\nROOT\n"],
    ["no size", "log.example/two\nROOT\n"],
    ["a size with a zero in front", "log.example/two\n03\nROOT\n"],
    ["a size that no number holds", "log.example/two\n9999999999999999\nROOT\n"],
    ["a root of another length", "log.example/two\n3\nAAAA\n"],
    ["a control character", "log.example/two\n3\nROOT\nmo\u0007re\n"],
    ["an empty line", "log.example/two\n3\nROOT\n\nmore\n"],
  ])("with %s is none", (_what, text) => {
    const { key, signer } = createWitness("log.example/two");
    const whole = text.replace("ROOT", Buffer.alloc(32, 1).toString("base64"));
    expect(() => readForeignCheckpoint(signNote(whole, key, signer, AT))).toThrow(
      expect.objectContaining({ code: "REGISTRY_LOG_INCONSISTENT" }) as Error,
    );
  });
});
