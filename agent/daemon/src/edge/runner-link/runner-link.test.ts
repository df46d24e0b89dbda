import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilledRead } from "@sonde/schemas/reads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FrameReader, MAX_BODY_BYTES, encodeStreamFrame } from "@sonde/schemas/wire";
import { buildRights } from "@sonde/schemas/testing";
import { type RunAsk, type RunnerLink, createRunnerLink } from "./runner-link.ts";

// Each case is a runner that was taken over. Whatever it sends, at worst the call fails.
let folder: string;
let link: RunnerLink;
let log: string[];
const servers = new Map<string, Server>();
/** Where a runner in these groups listens. */
const placeOf = (groups: string[]) => ({
  socketPath: join(folder, `runner-${groups.join("+")}`),
  groups,
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "link-"));
  const lines: string[] = [];
  log = lines;
  link = createRunnerLink({
    runners: [[], ["docker"], ["adm", "docker"]].map(placeOf),
    sharedGroups: ["own"],
    log: (event, detail) => lines.push(`${event} ${detail}`),
  });
});
afterEach(async () => {
  link.close();
  for (const server of servers.values()) server.close();
  servers.clear();
  rmSync(folder, { recursive: true });
});

const hello = {
  op: "hello",
  pid: 1,
  uid: 7,
  groups: ["own"],
  confinement: "process",
  rights: buildRights(),
  startedAt: "2026-01-01T00:00:00.000Z",
};
const read: FilledRead = {
  name: "it",
  source: { kind: "file", path: "/proc/uptime", timeoutMs: 100, maxBytes: 100 },
  values: {},
};
const data = (of: object) => ({ ok: true, samples: [{ at: 1, truncated: false, data: of }] });

type Asked = { id: number; op: string };
/** What a runner answers: raw bytes, or the head and body of a frame. */
type Answer = (request: Asked) => Buffer | { head: object; body?: Buffer } | undefined;

/**
 * Listens in place of the runner with the greeting's groups, or of that with `groups`, and
 * resolves with the agent's connection.
 */
async function fakeRunner(
  answer: Answer,
  greeting: object = hello,
  groups: string[] = groupsOf(greeting),
): Promise<Socket> {
  const { socketPath } = placeOf(groups);
  servers.get(socketPath)?.close();
  const server = createServer().listen(socketPath);
  servers.set(socketPath, server);
  const [socket] = (await once(server, "connection")) as [Socket];
  const reader = new FrameReader(({ head }) => {
    const reply = answer(head as Asked);
    if (reply === undefined) return;
    socket.write(Buffer.isBuffer(reply) ? reply : encodeStreamFrame(reply.head, reply.body));
  });
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  socket.on("error", () => undefined);
  socket.write(encodeStreamFrame(greeting));
  return socket;
}

const groupsOf = (greeting: object) =>
  (greeting as typeof hello).groups.filter((group) => group !== "own");

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const readReply = (id: number, reads: object) => ({
  head: { id, op: "read", traces: [] },
  body: json(reads),
});
const runReply = (id: number, body?: Buffer, more: object = {}) => ({
  head: { id, op: "run", ms: 1, ...more },
  ...(body && { body }),
});

const digest = `sha256:${"0".repeat(64)}`;
const guest: RunAsk = {
  packDigest: digest,
  codePath: "/x",
  codeSha256: digest,
  probeName: "a",
  input: Buffer.from("{}"),
  timeoutMs: 100,
  memoryMb: 32,
};
const answerAs =
  (name: string): Answer =>
  ({ id, op }) =>
    op === "run" ? runReply(id, json(name)) : readReply(id, { it: data({ text: name }) });

const lengths = (frame: number, head: number) => {
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32BE(frame, 0);
  buffer.writeUInt32BE(head, 4);
  return buffer;
};

test("a reply that follows the protocol is accepted", async () => {
  await fakeRunner(answerAs("1"));
  expect((await link.read([read], 100, [], true)).reads).toEqual({ it: data({ text: "1" }) });
  expect(link.runners()).toEqual([hello]);
});

test.each<[string, Answer]>([
  ["another kind of data", ({ id }) => readReply(id, { it: data({ entries: [] }) })],
  ["no outcome", ({ id }) => readReply(id, {})],
  ["another read", ({ id }) => readReply(id, { at: data({ text: "" }) })],
  [
    "a read too many",
    ({ id }) => readReply(id, { it: data({ text: "" }), at: data({ text: "" }) }),
  ],
])("%s fails the call and nothing else", async (_, answer) => {
  await fakeRunner(answer);
  await expect(link.read([read], 100, [], true)).rejects.toMatchObject({
    code: "RUNNER_UNAVAILABLE",
  });
  expect(link.runners()).toHaveLength(1);
});

test.each<[string, Answer]>([
  ["a body announced too large", () => lengths(4 + 2 + MAX_BODY_BYTES + 1, 2)],
  ["a head announced too large", () => lengths(2 * MAX_BODY_BYTES, MAX_BODY_BYTES)],
  ["a head that is no JSON", () => Buffer.concat([lengths(6, 2), Buffer.from("{x")])],
  [
    "a head that is no UTF-8",
    () => Buffer.concat([lengths(7, 3), Buffer.from([0x22, 0xff, 0x22])]),
  ],
  ["an answer to what was not asked", ({ id }) => ({ head: { id: id + 1, op: "drop" } })],
  ["an answer of another kind", ({ id }) => runReply(id, json({}))],
  ["an unknown field", ({ id }) => ({ head: { id, op: "read", traces: [], more: 1 } })],
  ["a body that is no JSON", ({ id }) => ({ ...readReply(id, {}), body: Buffer.from("{x") })],
  [
    "a code that does not exist",
    ({ id }) => readReply(id, { it: { ok: false, failure: { code: "toString", message: "" } } }),
  ],
])("%s ends the connection; the question goes to the next runner", async (_, answer) => {
  const taken = await fakeRunner(answer);
  await expect.poll(() => link.runners()).toHaveLength(1);
  const reading = link.read([read], 100, [], true);
  await new Promise((resolve) => taken.on("close", resolve));
  await expect.poll(() => log.join()).toContain("runner-gone");
  expect(log.join()).not.toContain("did not answer in time");
  await fakeRunner(answerAs("2"));
  expect((await reading).reads).toEqual({ it: data({ text: "2" }) });
});

test("a read that may change the host is not performed a second time", async () => {
  const taken = await fakeRunner(({ id }) => ({ head: { id: id + 1, op: "drop" } }));
  await expect.poll(() => link.runners()).toHaveLength(1);
  const reading = link.read([read], 100, [], false);
  const refused = expect(reading).rejects.toMatchObject({ code: "RUNNER_UNAVAILABLE" });
  await new Promise((resolve) => taken.on("close", resolve));
  await fakeRunner(answerAs("2"));
  await refused;
});

test.each<[string, Answer]>([
  ["neither result nor failure", ({ id }) => runReply(id)],
  [
    "both result and failure",
    ({ id }) => runReply(id, json({}), { failure: { code: "PACK_FAILED", message: "no" } }),
  ],
])("a guest's reply of %s ends the connection", async (_, answer) => {
  const taken = await fakeRunner(answer);
  await expect.poll(() => link.runners()).toHaveLength(1);
  const running = link.run(guest);
  await Promise.race([running, new Promise((resolve) => taken.on("close", resolve))]);
  await fakeRunner(answerAs("2"));
  expect(await running).toMatchObject({ ok: true, result: json("2") });
});

test("a guest's input and result pass through as unparsed bytes", async () => {
  const bytes = Buffer.from([0xff, 0x00, 0x7b]);
  let passed: Buffer | undefined;
  const socket = await fakeRunner(({ id }) => runReply(id, bytes));
  const reader = new FrameReader(({ body }) => (passed = body));
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  expect(await link.run({ ...guest, input: bytes })).toEqual({ ok: true, result: bytes, ms: 1 });
  expect(passed).toEqual(bytes);
});

test("an idle runner stays connected", async () => {
  await fakeRunner(answerAs("1"));
  await expect.poll(() => link.runners()).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 10_500));
  expect(log.filter((line) => line.startsWith("runner-gone"))).toEqual([]);
});

test("a connection without a valid hello gets no question", async () => {
  const asked: unknown[] = [];
  const note: Answer = (request) => void asked.push(request);
  const socket = await fakeRunner(note, { ...hello, uid: "root" });
  await new Promise((resolve) => socket.on("close", resolve));
  expect(link.runners()).toEqual([]);
  expect(asked).toEqual([]);
});

test.each([
  [["docker"], []],
  [[], ["docker"]],
  [["docker"], ["adm", "docker"]],
])("a runner that says %j at the socket of %j is not believed", async (said, place) => {
  const asked: unknown[] = [];
  const note: Answer = (request) => void asked.push(request);
  const socket = await fakeRunner(note, { ...hello, groups: said }, place);
  await expect.poll(() => socket.destroyed).toBe(true);
  expect(log.join()).toContain("expected the runner at");
  expect([link.runners(), asked]).toEqual([[], []]);
});

test("a read goes to a runner with exactly its groups, a guest to one with none", async () => {
  await fakeRunner(answerAs("powerful"), { ...hello, groups: ["docker"] });
  await fakeRunner(answerAs("plain"), { ...hello, pid: 2 });
  await expect.poll(() => link.runners()).toHaveLength(2);
  expect(await link.run(guest)).toMatchObject({ ok: true, result: json("plain") });
  expect((await link.read([read], 100, ["docker"], true)).reads).toEqual({
    it: data({ text: "powerful" }),
  });
  expect((await link.read([read], 100, [], true)).reads).toEqual({ it: data({ text: "plain" }) });
  expect([[], ["docker"], ["adm"]].map((groups) => link.serves(groups))).toEqual([
    true,
    true,
    false,
  ]);
});

test("while its runner is away, a read does not go to a runner with more groups", async () => {
  const asked: string[] = [];
  await fakeRunner(({ op }) => void asked.push(op), { ...hello, groups: ["adm", "docker"] });
  await expect.poll(() => link.runners()).toHaveLength(1);
  const refused = { code: "RUNNER_UNAVAILABLE" };
  await Promise.all([
    expect(link.read([read], 100, [], true)).rejects.toMatchObject(refused),
    expect(link.read([read], 100, ["docker"], true)).rejects.toMatchObject(refused),
    expect(link.run(guest)).rejects.toMatchObject(refused),
  ]);
  expect(asked).toEqual([]);
  const waiting = link.run(guest);
  await fakeRunner(answerAs("plain"));
  expect(await waiting).toMatchObject({ ok: true, result: json("plain") });
});

test("a question too large for a frame is refused before it is sent", async () => {
  await fakeRunner(() => undefined);
  const large = link.run({ ...guest, input: Buffer.alloc(MAX_BODY_BYTES + 1) });
  await expect(large).rejects.toMatchObject({ code: "RESULT_TOO_LARGE" });
});
