import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpServer } from "./http-server.ts";
import { listenOnPort, listenOnSocket, readKeptPorts, requireSafeListener } from "./listen.ts";
import type { HttpServer } from "./server.ts";

const host = "127.0.0.1";
const refusal = (code: string) => expect.objectContaining({ code });
let folder: string;
let open: (() => unknown)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-listen-"));
  open = [];
});
afterEach(async () => {
  for (const close of open) await close();
  rmSync(folder, { recursive: true });
});

function createApp(): HttpServer {
  const app = createHttpServer({ report: () => undefined });
  app.get("/", { config: { right: "anybody" } }, () => ({ here: true }));
  open.push(() => app.close());
  return app;
}
function createPlain(): Server {
  const server = createServer();
  open.push(() => server.close());
  return server;
}

test.each([
  ["an HTTP server", createApp],
  ["another server", createPlain],
])("%s gets its last port again, or a free one when that is taken", async (_what, create) => {
  const first = await listenOnPort(create(), { host, port: 0, kept: 0 });
  expect(first).toBeGreaterThan(0);
  // The kept port is taken, and nobody depends on it.
  const second = await listenOnPort(create(), { host, port: 0, kept: first });
  expect([0, first]).not.toContain(second);
  const isKnown = { host, port: 0, kept: first, isKnown: true };
  await expect(listenOnPort(create(), isKnown)).rejects.toEqual(refusal("PORT_IN_USE"));
  const asked = { host, port: first, kept: 0 };
  await expect(listenOnPort(create(), asked)).rejects.toEqual(refusal("PORT_IN_USE"));
  for (const close of open.splice(0)) await close();
  expect(await listenOnPort(create(), { host, port: 0, kept: first })).toBe(first);
});

test.each([
  ["an HTTP server", createApp],
  ["another server", createPlain],
])("%s that has no right to a port says so", async (_what, create) => {
  const place = { host: "192.0.2.1", port: 0, kept: 0 };
  await expect(listenOnPort(create(), place)).rejects.toEqual(refusal("RIGHT_MISSING"));
});

test("kept ports must be valid; an unreadable file is an error, not a reason to pick others", () => {
  const file = join(folder, "ports.json");
  const names = ["http", "control"] as const;
  const read = (text: string) => {
    writeFileSync(file, text);
    return readKeptPorts(file, names);
  };
  expect(readKeptPorts(file, names)).toEqual({ http: 0, control: 0 });
  expect(read('{"http":4800,"pid":7}')).toEqual({ http: 4800, control: 0 });
  expect(read('{"http":65536,"control":-1}')).toEqual({ http: 0, control: 0 });
  expect(read('{"http":"4800","control":1.5}')).toEqual({ http: 0, control: 0 });
  expect(read("null")).toEqual({ http: 0, control: 0 });
  expect(() => read('{"http":48')).toThrow(refusal("CONFIG_INVALID"));
});

test("only this user can open the socket, even if it replaces an old one", async () => {
  mkdirSync(join(folder, "run"), { mode: 0o755 });
  const socket = join(folder, "run/operator.sock");
  writeFileSync(socket, "left by one that was killed");
  await listenOnSocket(createApp(), socket);
  expect(statSync(socket).isSocket()).toBe(true);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "run")).mode & 0o777).toBe(0o700);
});

test.each(["0.0.0.0", "::", "192.0.2.1", "127.0.0.1.evil.example"])(
  "plain HTTP on %s is refused, unless a proxy or TLS protects it",
  (beyond) => {
    expect(() => requireSafeListener({ host: beyond, behindProxy: false })).toThrow(
      refusal("INSECURE_LISTENER"),
    );
    expect(() => requireSafeListener({ host: beyond, behindProxy: true })).not.toThrow();
    expect(() => requireSafeListener({ host: beyond, behindProxy: false, tls: {} })).not.toThrow();
  },
);
test.each(["127.0.0.1", "::1", "localhost"])(
  "plain HTTP on %s stays on this machine",
  (loopback) => {
    expect(() => requireSafeListener({ host: loopback, behindProxy: false })).not.toThrow();
  },
);
