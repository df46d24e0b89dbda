import { once } from "node:events";
import { createServer, type Server } from "node:https";
import { type AddressInfo, connect as connectPlain } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { paceConnections, TIMES } from "./pace-connections.ts";

const NEVER_MS = 3_600_000;
let tls: { cert: string; key: string; ca: string };
let server: Server;
let clients: TLSSocket[];
let isBusy: boolean;
let times: typeof TIMES;

beforeAll(async () => {
  const files = await createAuthority("an authority for this test", new Date());
  const authority = await openAuthority(files, () => new Date());
  const { certificate, privateKey } = await authority.issueServerCertificate(["localhost"]);
  tls = { cert: certificate, key: privateKey, ca: files.certificate };
});
beforeEach(() => {
  server = createServer({ ...tls, pauseOnConnect: true });
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.destroy();
  server.close();
});

async function listen(changes: Partial<typeof TIMES>): Promise<void> {
  times = { ...TIMES, ...changes };
  paceConnections(server, { isBusy: () => isBusy, times });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** @returns the client, whose handshake has not begun yet */
async function come(localAddress = "127.0.0.1"): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = connectPlain({ port, host: "127.0.0.1", localAddress });
  const client = connect({ socket, servername: "localhost", ca: tls.ca });
  clients.push(client);
  client.on("error", () => undefined).resume();
  await once(socket, "connect");
  return client;
}

const countSecure = () => clients.filter(({ authorized }) => authorized).length;

test("while the process is busy, connections wait; when it has time, all come in", async () => {
  isBusy = true;
  await listen({ leastEveryMs: NEVER_MS });
  for (let count = 0; count < 20; count += 1) await come();
  // The first one comes in, since none did for long.
  await expect.poll(countSecure).toBe(1);
  const last = await come();
  expect(countSecure()).toBe(1);
  isBusy = false;
  await once(last, "secureConnect");
  await expect.poll(countSecure).toBe(21);
});

test("an address that floods holds up no other one", async () => {
  isBusy = true;
  await listen({ leastEveryMs: NEVER_MS });
  for (let count = 0; count < 20; count += 1) await come();
  await expect.poll(countSecure).toBe(1);
  const other = await come("127.0.0.2");
  const inOrder: (string | undefined)[] = [];
  server.on("secureConnection", (socket: TLSSocket) => inOrder.push(socket.remoteAddress));
  times.leastEveryMs = 20;
  // The flood has at most one turn before it.
  await expect.poll(() => inOrder.slice(0, 2)).toContain("127.0.0.2");
  expect(other.authorized).toBe(true);
});

test("a process that stays busy lets one in now and then", async () => {
  isBusy = true;
  await listen({ leastEveryMs: 20 });
  for (let count = 0; count < 5; count += 1) await come();
  await expect.poll(countSecure).toBe(5);
});

test("a connection that waits for too long is closed, and a later one comes in", async () => {
  isBusy = true;
  await listen({ leastEveryMs: NEVER_MS, waitMs: 50 });
  const first = await come();
  await once(first, "secureConnect");
  const late = await come();
  await new Promise((done) => late.once("close", done));
  expect(late.authorized).toBe(false);
  isBusy = false;
  await once(await come(), "secureConnect");
});
