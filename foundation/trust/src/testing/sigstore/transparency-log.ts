import { createHash, generateKeyPairSync, randomInt, sign } from "node:crypto";

/** A log entry with its inclusion proof, in the JSON that the log serves over HTTP. */
export type LoggedEntry = {
  index: number;
  body: Buffer;
  integratedTime: number;
  size: number;
  root: Buffer;
  hashes: Buffer[];
  checkpoint: string;
  /** The log's signed inclusion promise, which includes the time. */
  promise: Buffer;
};

/** A real Merkle log (RFC 6962) in memory, with signed checkpoints. */
export type TestLog = {
  origin: string;
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Buffer;
  id: Buffer;
  add(body: Buffer, at?: Date): LoggedEntry;
};

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export function createTestLog(origin: string): TestLog {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
  const id = sha256(publicKey);
  // Earlier entries, so that inclusion proofs are not empty.
  const leaves = Array.from({ length: 5 + randomInt(5) }, (_, at) => sha256(Buffer.from([0, at])));

  function add(body: Buffer, at = new Date()): LoggedEntry {
    const index = leaves.push(sha256(Buffer.from([0]), body)) - 1;
    const root = rootOf(leaves);
    const note = `${origin}\n${leaves.length}\n${root.toString("base64")}\n`;
    const signature = sign("sha256", Buffer.from(note), keys.privateKey);
    const line = Buffer.concat([id.subarray(0, 4), signature]).toString("base64");
    const integratedTime = Math.floor(at.getTime() / 1000);
    // Canonical JSON: the names are already sorted.
    const promised = JSON.stringify({
      body: body.toString("base64"),
      integratedTime,
      logID: id.toString("hex"),
      logIndex: index,
    });
    return {
      index,
      body,
      integratedTime,
      size: leaves.length,
      root,
      hashes: pathOf(leaves, index),
      checkpoint: `${note}\n— ${origin} ${line}\n`,
      promise: sign("sha256", Buffer.from(promised), keys.privateKey),
    };
  }
  return { origin, publicKey, id, add };
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only !== undefined && leaves.length === 1) return only;
  const half = splitOf(leaves.length);
  return sha256(Buffer.from([1]), rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
}

function pathOf(leaves: readonly Buffer[], index: number): Buffer[] {
  if (leaves.length === 1) return [];
  const half = splitOf(leaves.length);
  return index < half
    ? [...pathOf(leaves.slice(0, half), index), rootOf(leaves.slice(half))]
    : [...pathOf(leaves.slice(half), index - half), rootOf(leaves.slice(0, half))];
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}
