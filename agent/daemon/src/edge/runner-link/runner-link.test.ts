import { mkdtempSync, rmSync, statSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilledRead } from "@sonde/schemas/reads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FrameReader, MAX_FRAME_BYTES, encodeFrame } from "@sonde/schemas/wire";
import { type RunAsk, type RunnerLink, createRunnerLink } from "./runner-link.ts";

// A runner that was taken over: whatever it sends, at worst the call fails.
let folder: string;
let link: RunnerLink;
let log: string[];
const sockets: Socket[] = [];
const socketPath = () => join(folder, "s");

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "link-"));
  const lines: string[] = [];
  log = lines;
  link = await createRunnerLink({
    socketPath: socketPath(),
    socketMode: 0o600,
    sharedGroups: ["own"],
    log: (event, detail) => lines.push(`${event} ${detail}`),
  });
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await link.close();
  rmSync(folder, { recursive: true });
});

const hello = {
  op: "hello",
  pid: 1,
  uid: 7,
  groups: ["own"],
  confinement: "process",
  startedAt: "2026-01-01T00:00:00.000Z",
};
const read: FilledRead = {
  name: "it",
  source: { kind: "file", path: "/proc/uptime", timeoutMs: 100, maxBytes: 100 },
  values: {},
};
const data = (of: object) => ({ ok: true, samples: [{ at: 1, truncated: false, data: of }] });

function fakeRunner(
  answer: (request: { id: number; op: string }) => unknown,
  greeting: unknown = hello,
) {
  const socket = connect(socketPath());
  sockets.push(socket);
  const reader = new FrameReader((request) => {
    const reply = answer(request as { id: number; op: string });
    socket.write(Buffer.isBuffer(reply) ? reply : encodeFrame(reply));
  });
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  socket.on("error", () => undefined);
  socket.write(encodeFrame(greeting));
  return socket;
}

const digest = `sha256:${"0".repeat(64)}`;
const guest: RunAsk = {
  packDigest: digest,
  codePath: "/x",
  codeSha256: digest,
  probe: "a",
  input: "{}",
  timeoutMs: 100,
  memoryMb: 32,
};
const answerAs = (name: string) => (request: { id: number; op: string }) =>
  request.op === "run"
    ? { id: request.id, op: "run", result: JSON.stringify(name), ms: 1 }
    : { id: request.id, op: "read", reads: { it: data({ text: name }) }, traces: [] };

const header = (length: number) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(length);
  return buffer;
};

test("a reply that keeps to the protocol is taken", async () => {
  fakeRunner(({ id }) => ({ id, op: "read", reads: { it: data({ text: "1" }) }, traces: [] }));
  expect((await link.read([read], 100, [])).reads).toEqual({ it: data({ text: "1" }) });
  expect(link.runners()).toEqual([hello]);
  expect(statSync(socketPath()).mode & 0o777).toBe(0o600);
});

test.each<[string, (request: { id: number; op: string }) => unknown]>([
  [
    "another kind of data",
    ({ id }) => ({ id, op: "read", reads: { it: data({ entries: [] }) }, traces: [] }),
  ],
  ["no outcome", ({ id }) => ({ id, op: "read", reads: {}, traces: [] })],
  ["another read", ({ id }) => ({ id, op: "read", reads: { at: data({ text: "" }) }, traces: [] })],
  [
    "a read too many",
    ({ id }) => ({
      id,
      op: "read",
      reads: { it: data({ text: "" }), at: data({ text: "" }) },
      traces: [],
    }),
  ],
])("%s fails the call and nothing else", async (_, answer) => {
  fakeRunner(answer);
  await expect(link.read([read], 100, [])).rejects.toMatchObject({ code: "RUNNER_UNAVAILABLE" });
  expect(link.runners()).toHaveLength(1);
});

test.each<[string, (request: { id: number; op: string }) => unknown]>([
  ["a frame announced too large", () => header(MAX_FRAME_BYTES + 1)],
  ["bytes that are no JSON", () => Buffer.concat([header(2), Buffer.from("{x")])],
  ["bytes that are no UTF-8", () => Buffer.concat([header(3), Buffer.from([0x22, 0xff, 0x22])])],
  ["an answer to what was not asked", ({ id }) => ({ id: id + 1, op: "drop" })],
  ["an answer of another kind", ({ id }) => ({ id, op: "run", result: "{}", ms: 1 })],
  ["an unknown field", ({ id }) => ({ id, op: "read", reads: {}, traces: [], more: 1 })],
  [
    "a code that does not exist",
    ({ id }) => ({
      id,
      op: "read",
      reads: { it: { ok: false, failure: { code: "toString", message: "" } } },
      traces: [],
    }),
  ],
])("%s ends the connection; the question goes to the next runner", async (_, answer) => {
  const taken = fakeRunner(answer);
  await expect.poll(() => link.runners()).toHaveLength(1);
  const reading = link.read([read], 100, []);
  await new Promise((resolve) => taken.on("close", resolve));
  await expect.poll(() => log.join()).toContain("runner-gone");
  expect(log.join()).not.toContain("did not answer in time");
  fakeRunner(({ id }) => ({ id, op: "read", reads: { it: data({ text: "2" }) }, traces: [] }));
  expect((await reading).reads).toEqual({ it: data({ text: "2" }) });
});

test("a runner that has nothing to do stays connected", async () => {
  fakeRunner(({ id }) => ({ id, op: "read", reads: { it: data({ text: "1" }) }, traces: [] }));
  await expect.poll(() => link.runners()).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 10_500));
  expect(log).toHaveLength(1);
});

test("who does not introduce itself properly gets no question", async () => {
  const asked: unknown[] = [];
  const socket = fakeRunner((request) => asked.push(request), { ...hello, uid: "root" });
  await new Promise((resolve) => socket.on("close", resolve));
  expect(link.runners()).toEqual([]);
  expect(asked).toEqual([]);
});

test("a read goes to a runner with exactly its groups, a guest to one with none", async () => {
  fakeRunner(answerAs("powerful"), { ...hello, groups: ["docker"] });
  fakeRunner(answerAs("plain"), { ...hello, pid: 2 });
  await expect.poll(() => link.runners()).toHaveLength(2);
  expect(await link.run(guest)).toMatchObject({ ok: true, result: '"plain"' });
  expect((await link.read([read], 100, ["docker"])).reads).toEqual({
    it: data({ text: "powerful" }),
  });
  expect((await link.read([read], 100, [])).reads).toEqual({ it: data({ text: "plain" }) });
  expect([[], ["docker"], ["adm"]].map((groups) => link.serves(groups))).toEqual([
    true,
    true,
    false,
  ]);
});

test("while its runner is away, nobody's request falls to a more powerful one", async () => {
  const asked: string[] = [];
  fakeRunner(({ op }) => asked.push(op), { ...hello, groups: ["adm", "docker"] });
  await expect.poll(() => link.runners()).toHaveLength(1);
  const refused = { code: "RUNNER_UNAVAILABLE" };
  await Promise.all([
    expect(link.read([read], 100, [])).rejects.toMatchObject(refused),
    expect(link.read([read], 100, ["docker"])).rejects.toMatchObject(refused),
    expect(link.run(guest)).rejects.toMatchObject(refused),
  ]);
  expect(asked).toEqual([]);
  const waiting = link.run(guest);
  fakeRunner(answerAs("plain"));
  expect(await waiting).toMatchObject({ ok: true, result: '"plain"' });
});

test("a question too large for a frame is refused before it is sent", async () => {
  fakeRunner(() => undefined);
  const large = link.run({ ...guest, input: "x".repeat(MAX_FRAME_BYTES) });
  await expect(large).rejects.toMatchObject({ code: "RESULT_TOO_LARGE" });
});

test("frames survive any cut of the stream", () => {
  const stream = Buffer.concat([
    encodeFrame({ a: "é" }),
    encodeFrame([1]),
    encodeFrame("x".repeat(50)),
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const seen: unknown[] = [];
    const reader = new FrameReader((value) => seen.push(value));
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    expect(seen).toEqual([{ a: "é" }, [1], "x".repeat(50)]);
  }
});
