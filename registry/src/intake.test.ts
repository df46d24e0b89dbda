import { readFileSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Answer, TestRegistry, signUpload } from "./testing/test-registry.ts";

vi.setConfig({ testTimeout: 120_000 });

const MB = 1024 * 1024;
let registry: TestRegistry;
let key: SampleKey;
let token: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  key = createSampleKey();
  token = await registry.addPublisher("acme", key);
  // So that what a process needs once is there.
  for (let patch = 0; patch < 6; patch += 1) {
    expect((await publishLarge(`1.0.${patch}`)).status).toBe(201);
  }
}, 120_000);
afterAll(() => registry.close());

/** The most memory that the process ever had, in bytes (proc_pid_status(5)). */
const peakBytes = (): number => {
  const status = readFileSync(`/proc/${registry.child?.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1]) * 1024;
};
/** A version whose code is as large as code may be. */
const publishLarge = (version: string): Promise<Answer> => {
  const line = `// ${"x".repeat(120)}\n`;
  const code = `var pack = {};\n${line.repeat(Math.floor((MB - 100) / line.length))}`;
  const archive = buildSampleArchive({ manifest: { version }, code });
  return registry.publish(signUpload(archive, `acme/hello/${version}`, key, token));
};
const spooled = (): string[] => readdirSync(join(registry.dataDir, "uploads"));

test("memory stays flat under 50 uploads at once, and all are published", async () => {
  const before = peakBytes();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, minor) => publishLarge(`2.${minor}.0`)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
  const grown = (peakBytes() - before) / MB;
  // All fifty in memory at once are 150 MB.
  expect(grown).toBeLessThan(80);
  expect(spooled()).toEqual([]);
});

test("uploads that never end hold no memory and nobody up, and leave nothing", async () => {
  const before = peakBytes();
  const body = Buffer.concat([
    Buffer.from(
      `--b\r\ncontent-disposition: form-data; name="bundle"; filename="b"\r\n\r\n{}\r\n` +
        `--b\r\ncontent-disposition: form-data; name="archive"; filename="a"\r\n\r\n`,
    ),
    Buffer.alloc(MAX_ARCHIVE_BYTES - 100, 1),
  ]);
  const head =
    `PUT /api/v1/packs/acme/hello/9.0.0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
    `content-type: multipart/form-data; boundary=b\r\ncontent-length: ${body.length + 50}\r\n\r\n`;
  const sockets = Array.from({ length: 40 }, () => {
    const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
    socket.write(head);
    socket.write(body);
    return socket;
  });
  await vi.waitFor(() => expect(spooled().length).toBe(40), { timeout: 30_000 });
  expect((await publishLarge("3.0.0")).status).toBe(201);
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(() => expect(spooled()).toEqual([]), { timeout: 30_000 });
  expect((peakBytes() - before) / MB).toBeLessThan(60);
});

test("what a killed registry was receiving is gone when it starts again", async () => {
  const socket = connect(registry.port, "127.0.0.1").on("error", () => undefined);
  socket.write(
    `PUT /api/v1/packs/acme/hello/9.0.0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: multipart/form-data; boundary=b\r\ncontent-length: 5000\r\n\r\n--b\r\n`,
  );
  await vi.waitFor(() => expect(spooled().length).toBe(1));
  await registry.stop("SIGKILL");
  expect(spooled().length).toBe(1);
  await registry.start();
  expect(spooled()).toEqual([]);
});
