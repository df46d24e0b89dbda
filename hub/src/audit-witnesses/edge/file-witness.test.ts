import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hubLogName } from "@sonde/trust/hub-log";
import { type Checkpoint, openCheckpoint } from "@sonde/trust/log";
import { createSampleLog } from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { WitnessSender } from "../core/witness-sender.ts";
import { createFileWitness } from "./file-witness.ts";

const HUB = "7d1f0f6e-3c50-4a30-9d7c-5a52cf1f9c11";
const log = createSampleLog(hubLogName(HUB));
let folder: string;
let path: string;
let witness: WitnessSender;
const never = new AbortController().signal;
const open = () => createFileWitness({ name: "disk", kind: "file", path }, HUB);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-file-witness-"));
  path = join(folder, "checkpoints");
  witness = open();
});
afterEach(() => {
  witness.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A checkpoint with one more entry. */
function next(): Checkpoint {
  log.append(Buffer.from(`entry ${log.frontier.size}`));
  return openCheckpoint(log.checkpoint(), log.key);
}
/** Splits the file as docs/audit-witnesses.md says, and verifies each note. */
const sizesOf = (file = path) =>
  readFileSync(file, "utf8")
    .split(/(?<=^\u2014 .*\n)\n/mu)
    .filter((note) => note !== "")
    .map((note) => openCheckpoint(note, log.key).size);

test("checkpoints stand one after another, in a file of this user alone, and can be read again", async () => {
  const taken: number[] = [];
  for (let index = 0; index < 3; index++) {
    const checkpoint = next();
    taken.push(checkpoint.size);
    expect(await witness.offer(checkpoint, 0, never)).toBe(null);
  }
  expect(sizesOf()).toEqual(taken);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a checkpoint that a crash tore, at whatever byte, is removed at the next start", async () => {
  const [one, two, three] = [next(), next(), next()];
  await witness.offer(one, 0, never);
  const whole = statSync(path).size;
  const bytes = Buffer.from(`${two.note}\n`);
  for (let length = 1; length < bytes.length; length++) {
    witness.close();
    truncateSync(path, whole);
    appendFileSync(path, bytes.subarray(0, length));
    witness = open();
    await witness.offer(three, 0, never);
    expect([length, sizesOf()]).toEqual([length, [one.size, three.size]]);
  }
});

test("a torn first checkpoint is removed too", async () => {
  writeFileSync(path, next().note.slice(0, 20), { mode: 0o600 });
  const checkpoint = next();
  await witness.offer(checkpoint, 0, never);
  expect(sizesOf()).toEqual([checkpoint.size]);
});

test.each([
  ["entries of the log", '{"seq":1}\n'],
  ["entries of the log without an end", '{"seq":1}'],
  ["much", "x".repeat(200_000)],
  ["checkpoints and something else", null],
])("a file of %s is left as it is", async (_what, text) => {
  const content = text ?? `${next().note}\nsomething else\n`;
  writeFileSync(path, content, { mode: 0o600 });
  await expect(witness.offer(next(), 0, never)).rejects.toMatchObject({
    code: "SINK_WRITE_FAILED",
  });
  expect(readFileSync(path, "utf8")).toBe(content);
});

test("a file that was renamed is left alone, and a file for others is not written", async () => {
  const [one, two] = [next(), next()];
  await witness.offer(one, 0, never);
  renameSync(path, `${path}.1`);
  await witness.offer(two, 0, never);
  expect([sizesOf(`${path}.1`), sizesOf()]).toEqual([[one.size], [two.size]]);
  witness.close();
  chmodSync(path, 0o604);
  await expect(open().offer(next(), 0, never)).rejects.toMatchObject({
    code: "SINK_WRITE_FAILED",
  });
});
