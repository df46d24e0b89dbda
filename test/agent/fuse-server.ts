// A FUSE file server with nothing in it: node fuse-server.ts COUNT BLOCKS. Descriptor 3 is its
// /dev/fuse. Of its BLOCKS of 4096 bytes 600 are used.
// It answers COUNT questions for its size. It takes any further one and never answers, as a hung
// daemon does. It writes a line when it is mounted, and ends when that mount does. The messages are
// those of fuse(4), version 7.31.
import { readSync, writeSync } from "node:fs";

const DEVICE = 3;
const [FORGET, GETATTR, STATFS, INIT, INTERRUPT] = [2, 3, 17, 26, 36];
const NOT_IMPLEMENTED = -38;

const blocks = BigInt(process.argv[3] ?? "");

function statfs(): Buffer {
  const body = Buffer.alloc(80);
  [blocks, blocks - 600n, blocks - 600n, 100n, 50n].forEach((value, at) =>
    body.writeBigUInt64LE(value, at * 8),
  );
  // The preferred transfer size differs from the block size, as it does for sshfs.
  [1_048_576, 255, 4096].forEach((value, at) => body.writeUInt32LE(value, 40 + at * 4));
  return body;
}

function init(): Buffer {
  const body = Buffer.alloc(64);
  [7, 31, 65_536, 0, 0, 65_536].forEach((value, at) => body.writeUInt32LE(value, at * 4));
  return body;
}

function attributesOfRoot(): Buffer {
  const body = Buffer.alloc(104);
  body.writeBigUInt64LE(1n, 16);
  body.writeUInt32LE(0o40755, 16 + 60);
  return body;
}

let sizesLeft = Number(process.argv[2]);
const answers = new Map<number, () => Buffer>([
  [INIT, init],
  [GETATTR, attributesOfRoot],
  [STATFS, statfs],
]);

function answer(request: Buffer): void {
  const operation = request.readUInt32LE(4);
  if (operation === FORGET || operation === INTERRUPT) return;
  if (operation === STATFS && sizesLeft-- <= 0) return;
  const body = answers.get(operation)?.() ?? Buffer.alloc(0);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + body.length, 0);
  head.writeInt32LE(answers.has(operation) ? 0 : NOT_IMPLEMENTED, 4);
  request.copy(head, 8, 8, 16);
  writeSync(DEVICE, Buffer.concat([head, body]));
  if (operation === INIT) process.stdout.write("mounted\n");
}

/** Waits for the next message; null once the mount has ended. */
function receive(into: Buffer): Buffer | null {
  for (;;) {
    try {
      return into.subarray(0, readSync(DEVICE, into));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "ENODEV") return null;
      // Not mounted yet.
      if (code !== "EPERM") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

const buffer = Buffer.alloc(135_168);
let request = receive(buffer);
while (request !== null) {
  answer(request);
  request = receive(buffer);
}
