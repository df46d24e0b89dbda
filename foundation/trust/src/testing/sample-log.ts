import { generateKeyPairSync } from "node:crypto";
import { createSigningKey, type SigningKey } from "../envelope/keys.ts";
import {
  type Frontier,
  type NoteKey,
  type ReadTile,
  EMPTY_FRONTIER,
  appendLeaf,
  encodeEntries,
  foldPerfect,
  hashLeaf,
  parseTilePath,
  rootOf,
  signCheckpoint,
} from "../log/index.ts";

/** A transparency log in memory, for tests of log readers. */
export type SampleLog = {
  readonly key: NoteKey;
  readonly frontier: Frontier;
  append(entry: Uint8Array): number;
  /** The signed head; by default with the present time and all entries. */
  checkpoint(lies?: { at?: Date; frontier?: Frontier }): string;
  readTile: ReadTile;
  /** The file at a path below the log's address, or null. */
  serve(path: string): Promise<Uint8Array | string | null>;
  /** A fork: another log with the same past and the same key. */
  fork(): SampleLog;
  /** A log of the same length and key whose entries have another year. */
  rewrite(): SampleLog;
};

export function createSampleLog(name = "registry.example/log"): SampleLog {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return buildLog({ name, publicKey }, createSigningKey(privateKey, publicKey), []);
}

function buildLog(key: NoteKey, signer: SigningKey, past: readonly Uint8Array[]): SampleLog {
  const entries: Uint8Array[] = [];
  let frontier = EMPTY_FRONTIER;
  const append = (entry: Uint8Array): number => {
    frontier = appendLeaf(frontier, hashLeaf(entry));
    return entries.push(entry) - 1;
  };
  for (const entry of past) append(entry);
  const hashAt = (level: number, index: number): Buffer => {
    const span = 256 ** level;
    return foldPerfect(entries.slice(index * span, (index + 1) * span).map(hashLeaf));
  };
  const checkpoint: SampleLog["checkpoint"] = (lies = {}) => {
    const head = lies.frontier ?? frontier;
    return signCheckpoint(
      { size: head.size, root: rootOf(head) },
      key,
      signer,
      lies.at ?? new Date(),
    );
  };
  const readTile: SampleLog["readTile"] = async ({ level, index, width }) => {
    const first = index * 256;
    if (level === null) return encodeEntries(entries.slice(first, first + width));
    return Buffer.concat(Array.from({ length: width }, (_, place) => hashAt(level, first + place)));
  };
  return {
    key,
    get frontier() {
      return frontier;
    },
    append,
    checkpoint,
    readTile,
    async serve(path) {
      if (path === "checkpoint") return checkpoint();
      const id = parseTilePath(path);
      return id === null ? null : await readTile(id);
    },
    fork: () => buildLog(key, signer, entries),
    rewrite: () =>
      buildLog(
        key,
        signer,
        entries.map((entry) => Buffer.from(Buffer.from(entry).toString().replace("2026", "2025"))),
      ),
  };
}
