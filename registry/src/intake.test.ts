import { readFileSync, readdirSync, statSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  type Answer,
  TestRegistry,
  type Upload,
  codeOf,
  signUpload,
  uploadForm,
} from "./testing/test-registry.ts";

vi.setConfig({ testTimeout: 120_000 });

const MB = 1024 * 1024;
let registry: TestRegistry;
let key: SampleKey;
let token: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  key = createSampleKey();
  token = await registry.addPublisher("acme", key);
  // Warm up, so that one-time allocations are not measured.
  for (let patch = 0; patch < 6; patch += 1) {
    expect((await publishLarge(`1.0.${patch}`)).status).toBe(201);
  }
}, 120_000);
afterAll(() => registry.close());

/** Returns the peak memory of the process, in bytes (VmHWM of proc_pid_status(5)). */
const peakBytes = (): number => {
  const status = readFileSync(`/proc/${registry.child?.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1]) * 1024;
};
/** Builds a version with the largest code that is allowed. */
const buildLarge = (version: string): Upload => {
  const line = `// ${"x".repeat(120)}\n`;
  const code = `var pack = {};\n${line.repeat(Math.floor((MB - 100) / line.length))}`;
  const archive = buildSampleArchive({ manifest: { version }, code });
  return signUpload(archive, `acme/hello/${version}`, key, token);
};
const publishLarge = (version: string): Promise<Answer> => registry.publish(buildLarge(version));
/** Builds the head of a publish request. The test sends the body itself. */
const openUpload = (contentLength: number, publisher = "acme", bearer = token): string =>
  `PUT /api/v1/packs/${publisher}/hello/9.0.0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${bearer}\r\n` +
  `content-type: multipart/form-data; boundary=b\r\ncontent-length: ${contentLength}\r\n\r\n`;
const spooled = (): string[] => readdirSync(join(registry.dataDir, "uploads"));
/** The bytes that are stored of each archive, the smallest first; 0 before its first byte. */
const spooledSizes = (): number[] =>
  spooled()
    .map((name) => join(registry.dataDir, "uploads", name, "archive"))
    .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
    .toSorted((a, b) => a - b);

test("memory stays flat under 50 uploads at once, and all are published", async () => {
  const before = peakBytes();
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, registry.checkers().length)), 20);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, minor) => publishLarge(`2.${minor}.0`)),
  );
  clearInterval(watch);
  expect(most).toBeLessThanOrEqual(3);
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
  const grown = (peakBytes() - before) / MB;
  // All fifty in memory at once would be 150 MB.
  expect(grown).toBeLessThan(80);
  expect(spooled()).toEqual([]);
});

test("uploads far above the cap are refused unread, with flat memory", async () => {
  const before = peakBytes();
  const archive = Buffer.alloc(5 * MB);
  const upload = { archive, bundle: "{}", path: "acme/hello/9.0.0", bearer: token };
  const answers = await Promise.all(Array.from({ length: 50 }, () => registry.publish(upload)));
  expect(new Set(answers.map(codeOf))).toEqual(new Set(["BODY_TOO_LARGE"]));
  expect((peakBytes() - before) / MB).toBeLessThan(80);
});

test("a part above its cap is refused at the cap, before the body ends", async () => {
  const head = openUpload(MAX_ARCHIVE_BYTES);
  const bundle = `--b\r\ncontent-disposition: form-data; name="bundle"; filename="b"\r\n\r\n`;
  const socket = connect(registry.port, "127.0.0.1");
  const answer = new Promise<string>((done) => socket.once("data", (data) => done(String(data))));
  socket.write(head + bundle);
  socket.write(Buffer.alloc(MAX_BUNDLE_BYTES + 1));
  expect(await answer).toContain("BODY_TOO_LARGE");
  socket.destroy();
  await vi.waitFor(() => expect(spooled()).toEqual([]), { timeout: 30_000 });
});

/** Begins 100 uploads that do not end. */
async function beginUploads(publisher: string, bearer: string): Promise<Socket[]> {
  const before = spooled().length;
  const sockets = Array.from({ length: 100 }, () => {
    const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
    socket.write(`${openUpload(5000, publisher, bearer)}--b\r\n`);
    return socket;
  });
  await vi.waitFor(() => expect(spooled().length).toBe(before + 100), { timeout: 30_000 });
  return sockets;
}

async function demandBusy(publisher: string, bearer: string): Promise<void> {
  const response = await fetch(registry.at(`/api/v1/packs/${publisher}/hello/9.0.0`), {
    method: "PUT",
    headers: { authorization: `Bearer ${bearer}` },
    body: uploadForm({ archive: Buffer.from("x"), bundle: "{}" }),
  });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(((await response.json()) as ErrorBody).error.code).toBe("REGISTRY_BUSY");
}

test("uploads beyond the queue get Retry-After, and one publisher's never fill it", async () => {
  const other = await registry.addPublisher("other", createSampleKey());
  const third = await registry.addPublisher("third", createSampleKey());
  const sockets = await beginUploads("other", other);
  await demandBusy("other", other);
  expect((await publishLarge("3.1.0")).status).toBe(201);
  sockets.push(...(await beginUploads("acme", token)));
  await demandBusy("third", third);
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(() => expect(spooled()).toEqual([]), { timeout: 30_000 });
  expect((await publishLarge("4.0.0")).status).toBe(201);
});

/** Leaves two idle checking processes, and stops them. The next two checks hang. */
async function stopTwoCheckers(): Promise<number[]> {
  for (let minor = 0; registry.checkers().length < 2; minor += 1) {
    // A publisher has two turns.
    await Promise.all([0, 1, 2, 3].map((patch) => publishLarge(`7.${minor}.${patch}`)));
  }
  for (const pid of registry.checkers().slice(2)) process.kill(pid, "SIGKILL");
  await vi.waitFor(() => expect(registry.checkers().length).toBe(2));
  const stopped = registry.checkers();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  return stopped;
}

test("archives of one publisher that take long to check leave a turn to the others", async () => {
  const otherKey = createSampleKey();
  const other = await registry.addPublisher("slow", otherKey);
  const slow = Array.from({ length: 4 }, (_, patch) => {
    const path = `slow/hello/1.0.${patch}`;
    const archive = buildSampleArchive({
      manifest: { name: "slow/hello", version: `1.0.${patch}` },
    });
    return signUpload(archive, path, otherKey, other);
  });
  const large = buildLarge("8.0.0");
  const stopped = await stopTwoCheckers();
  let answered = 0;
  const waiting = slow.map((upload) => registry.publish(upload).finally(() => (answered += 1)));
  const sizes = slow.map(({ archive }) => archive.length).toSorted((a, b) => a - b);
  await vi.waitFor(() => expect(spooledSizes()).toEqual(sizes), { timeout: 30_000 });
  expect((await registry.publish(large)).status).toBe(201);
  expect(answered).toBe(0);
  for (const pid of stopped) process.kill(pid, "SIGCONT");
  await Promise.all(waiting);
});

test("a checking process that hangs or is killed costs only its upload", async () => {
  const stopped = registry.checkers();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  // Stops the process for longer than a check may take. SIGKILL ends a stopped process too.
  const late = await publishLarge("5.0.0");
  expect([late.status, codeOf(late)]).toEqual([503, "CHECK_FAILED"]);
  expect((await registry.read("/api/v1/packs/acme/hello/5.0.0")).status).toBe(404);
  expect(spooled()).toEqual([]);
  const left = registry.checkers();
  expect(left.length).toBe(stopped.length - 1);
  for (const pid of left) process.kill(pid, "SIGCONT");
  expect((await publishLarge("5.0.0")).status).toBe(201);

  for (let patch = 0, isKilled = false; !isKilled; patch += 1) {
    const version = `6.0.${patch}`;
    for (const pid of registry.checkers()) process.kill(pid, "SIGSTOP");
    const publishing = publishLarge(version);
    await vi.waitFor(() => expect(spooled().length).toBe(1), { timeout: 30_000 });
    for (const pid of registry.checkers()) process.kill(pid, "SIGKILL");
    const answer = await publishing;
    // The kill may have come before the question; then another process answered.
    if (answer.status === 201) continue;
    expect([answer.status, codeOf(answer)]).toEqual([503, "CHECK_FAILED"]);
    expect((await publishLarge(version)).status).toBe(201);
    isKilled = true;
  }
});

test("uploads that never end hold no memory, block nobody and leave no file", async () => {
  const before = peakBytes();
  const body = Buffer.concat([
    Buffer.from(
      `--b\r\ncontent-disposition: form-data; name="bundle"; filename="b"\r\n\r\n{}\r\n` +
        `--b\r\ncontent-disposition: form-data; name="archive"; filename="a"\r\n\r\n`,
    ),
    Buffer.alloc(MAX_ARCHIVE_BYTES - 100, 1),
  ]);
  const second = await registry.addPublisher("second", createSampleKey());
  const heads = [
    openUpload(body.length + 50),
    openUpload(body.length + 50, "second", second),
  ] as const;
  const sockets = Array.from({ length: 150 }, (_, index) => {
    const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
    socket.write(heads[index % 2 === 0 ? 0 : 1]);
    socket.write(body);
    return socket;
  });
  await vi.waitFor(() => expect(spooled().length).toBe(150), { timeout: 30_000 });
  expect((await publishLarge("3.0.0")).status).toBe(201);
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(() => expect(spooled()).toEqual([]), { timeout: 30_000 });
  // All of them in memory would be 300 MB. Some memory may wait for the garbage collector.
  expect((peakBytes() - before) / MB).toBeLessThan(160);
});

test("a restart removes what a killed registry was receiving", async () => {
  const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
  socket.write(`${openUpload(5000)}--b\r\n`);
  await vi.waitFor(() => expect(spooled().length).toBe(1));
  await registry.stop("SIGKILL");
  expect(spooled().length).toBe(1);
  await registry.start();
  expect(spooled()).toEqual([]);
});
