import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What sonde/network says of this machine, read by a real runner, beside what other programs say
// and what this one does.

let pack: AskedPack;
beforeAll(async () => {
  pack = await openAskedPack("network");
}, 60_000);
afterAll(() => pack.close());

async function listen(host: string): Promise<{ port: number; accepted: Promise<Socket> }> {
  const server = createServer({ pauseOnConnect: true });
  const accepted = once(server, "connection").then(([socket]) => socket as Socket);
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, accepted };
}

test("listeners has a port that is opened, and from where it can be reached", async () => {
  const [closed, open] = await Promise.all([listen("127.0.0.1"), listen("0.0.0.0")]);
  const { listeners } = (await pack.ask("listeners", { limit: 1000 })) as {
    listeners: { port: number; protocol: string; reach: string; userId: number }[];
  };
  const found = (port: number) => listeners.find((one) => one.port === port);
  const userId = process.getuid?.();
  expect(found(closed.port)).toMatchObject({ protocol: "tcp", reach: "loopback", userId });
  expect(found(open.port)).toMatchObject({ protocol: "tcp", reach: "anywhere", userId });
});

test("connections has the bytes that a program has not read", async () => {
  const { port, accepted } = await listen("127.0.0.1");
  const client = connect(port, "127.0.0.1");
  const server = await accepted;
  onTestFinished(() => {
    client.destroy();
    server.destroy();
  });
  client.write(Buffer.alloc(1234));
  await expect
    .poll(() => pack.ask("connections", { port, state: "established" }), { timeout: 15_000 })
    .toMatchObject({
      connectionCount: 2,
      peers: [{ address: "127.0.0.1", count: 2 }],
      connections: [{ localPort: port, receiveQueueBytes: 1234 }, { remotePort: port }],
    });
});

test("interfaces has the addresses that ip states, and the bytes that pass meanwhile", async () => {
  const { port, accepted } = await listen("127.0.0.1");
  const client = connect(port, "127.0.0.1");
  const server = await accepted;
  server.resume();
  const sending = setInterval(() => client.write(Buffer.alloc(100_000)), 20);
  onTestFinished(() => {
    clearInterval(sending);
    client.destroy();
    server.destroy();
  });
  const { interfaces } = (await pack.ask("interfaces", { limit: 500 })) as {
    interfaces: { name: string; addresses: string[]; sentBytesPerSecond: number }[];
  };
  const loopback = interfaces.find(({ name }) => name === "lo");
  expect(loopback?.addresses).toContain("127.0.0.1/8");
  expect(loopback?.sentBytesPerSecond).toBeGreaterThan(500_000);
});

test("tcp.health counts an attempt that is refused, and sockets.summary the sockets", async () => {
  const refuse = setInterval(() => connect(1, "127.0.0.1").on("error", () => undefined), 50);
  onTestFinished(() => clearInterval(refuse));
  const health = (await pack.ask("tcp.health")) as { failedAttempts: { meanwhile: number } };
  expect(health.failedAttempts.meanwhile).toBeGreaterThan(0);
  const summary = (await pack.ask("sockets.summary")) as { socketCount: number };
  expect(summary.socketCount).toBeGreaterThan(0);
});

test("reach tells an open port from a closed one", async () => {
  const { port } = await listen("127.0.0.1");
  expect(await pack.ask("reach", { endpoint: `127.0.0.1:${port}` })).toMatchObject({
    isReachable: true,
    addresses: [{ address: "127.0.0.1", outcome: "connected" }],
  });
  expect(await pack.ask("reach", { endpoint: "127.0.0.1:1" })).toMatchObject({
    isReachable: false,
    verdict: "the machine is there, but nothing listens at the port",
  });
});

test("dns.lookup asks the servers of resolv.conf, and says what each of them did", async () => {
  const asked = { name: "absent.example", type: "AAAA" };
  const { tried, ...answer } = (await pack.ask("dns.lookup", asked)) as {
    tried: { server: string; outcome: string; ms: number }[];
    verdict: string;
  };
  const file = readFileSync("/etc/resolv.conf", "utf8");
  expect(answer).toMatchObject({ question: "absent.example", type: "AAAA", answers: [] });
  expect(tried.length).toBeGreaterThan(0);
  for (const { server, outcome } of tried) {
    expect(file).toContain(`nameserver ${/^\[?(.*?)\]?:53$/.exec(server)?.[1]}`);
    expect(outcome).toMatch(/^(answered|timeout|connection-refused|unreachable)$/);
  }
});

test("routes and neighbours are as many as ip lists, and servers those of resolv.conf", async () => {
  const count = (...args: string[]) =>
    (JSON.parse(execFileSync("ip", ["-j", ...args], { encoding: "utf8" }) || "[]") as unknown[])
      .length;
  const { routes } = (await pack.ask("routes", { limit: 1000 })) as { routes: unknown[] };
  expect(routes).toHaveLength(count("route", "show") + count("-6", "route", "show"));
  expect(await pack.ask("neighbours")).toHaveProperty("neighbourCount");
  const { servers } = (await pack.ask("resolver")) as { servers: string[] };
  const file = readFileSync("/etc/resolv.conf", "utf8");
  for (const server of servers) expect(file).toContain(`nameserver ${server}`);
});
