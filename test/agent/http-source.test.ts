import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { HttpSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { makeIssuer, makeServerFiles, type ServerFiles } from "./make-certificates.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

// What a real runner asks of servers on loopback, with and without TLS. The runner has its own
// /etc/hosts and its own trusted certificates, which needs root.

const isChecked = isCheckedHere("requests over ports", { unshare: "util-linux" });

const HOSTS = [
  "127.0.0.1 shop.example other.example common.example",
  "127.0.0.1 moved.example",
  "169.254.169.254 moved.example",
];

let bench: TestBench;
let kept: TestBench;
let ports: Record<string, number>;
const servers: Server[] = [];
const connections = new Set<Socket>();
/** The requests that the servers have had: `GET /ok shop.example:8443`. */
let seen: string[] = [];

beforeEach(() => {
  seen = [];
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  seen.push(`${request.method} ${request.url} ${request.headers.host}`);
  response.on("error", () => undefined);
  switch (request.url ?? "") {
    case "/ok":
      return void response.end("fine");
    case "/redirect":
      return void response.writeHead(302, { location: "/ok" }).end("over there");
    case "/headers":
      return void response.writeHead(200, { "x-long": "h".repeat(20_000) }).end("fine");
    case "/endless": {
      const more = (): void => {
        while (!response.destroyed && response.write("y".repeat(10_000)));
      };
      response.on("drain", more);
      return more();
    }
    case "/slow":
      return void response.write("x");
    default:
      return void response.writeHead(404).end();
  }
}

beforeAll(async () => {
  if (!isChecked) return;
  const root = await makeIssuer("root of a test");
  const stranger = await makeIssuer("an unknown root");
  const shop = [
    { type: "dns" as const, value: "shop.example" },
    { type: "dns" as const, value: "moved.example" },
    { type: "ip" as const, value: "127.0.0.1" },
  ];
  const secured: Record<string, ServerFiles> = {
    sound: await makeServerFiles(shop, [root]),
    expired: await makeServerFiles(shop, [root], { from: -9, to: -2 }),
    stranger: await makeServerFiles(shop, [stranger]),
    self: await makeServerFiles(shop, []),
  };
  ports = { plain: await listen(createServer(answer)), silent: await listen(createTcpServer()) };
  for (const [name, { certificate: cert, key }] of Object.entries(secured)) {
    const server = createSecureServer({ cert, key }, answer);
    server.on("tlsClientError", () => undefined);
    ports[name] = await listen(server);
  }
  bench = await createTestBench();
  const trusted = join(bench.workshop.folder, "trusted.crt");
  const hosts = join(bench.workshop.folder, "hosts");
  writeFileSync(trusted, root.certificate.toString("pem"), { mode: 0o644 });
  writeFileSync(hosts, `${HOSTS.join("\n")}\n`, { mode: 0o644 });
  bench.startRunnerAmongMounts(`
    mount --bind ${trusted} /etc/ssl/certs/ca-certificates.crt
    mount --bind ${hosts} /etc/hosts
  `);
  kept = await createTestBench();
  kept.startRunner({}, { SONDE_RUNNER_REACH: "loopback" });
  await until("the runners", () => [bench, kept].every(({ link }) => link.runners().length === 1));
}, 60_000);
afterAll(async () => {
  for (const connection of connections) connection.destroy();
  for (const server of servers) server.close();
  if (isChecked) await Promise.all([bench.close(), kept.close()]);
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function get(
  endpoint: string,
  path: string,
  more: Partial<HttpSource> = {},
  { link } = bench,
): Promise<RunnerOutcome> {
  const source: HttpSource = {
    ...{ kind: "http", endpoint, path, timeoutMs: 4000, maxBytes: 65_536 },
    ...more,
  };
  const { reads } = await link.read([{ name: "it", source, values: {} }], 8000, [], true);
  return reads["it"] as RunnerOutcome;
}

const codeOf = (outcome: RunnerOutcome): string => (outcome.ok ? "ok" : outcome.failure.code);
const failureOf = (outcome: RunnerOutcome): string => (outcome.ok ? "ok" : outcome.failure.message);

test.runIf(isChecked)("one GET to a port of loopback, by a runner that is kept there", async () => {
  const endpoint = `127.0.0.1:${ports["plain"]}`;
  for (const one of [bench, kept]) {
    expect(await get(endpoint, "/ok", {}, one)).toMatchObject({
      samples: [{ data: { status: 200, body: "fine" }, truncated: false }],
    });
  }
  expect(seen).toEqual([`GET /ok ${endpoint}`, `GET /ok ${endpoint}`]);
});

// Attack 78.
test.runIf(isChecked)(
  "without TLS nothing is asked of another host, whoever named it",
  async () => {
    for (const host of ["shop.example", "127.0.0.2", "192.0.2.1", "[::ffff:127.0.0.1]"]) {
      const outcome = await get(`${host}:${ports["plain"]}`, "/ok");
      expect(codeOf(outcome), host).toBe("READ_NOT_GRANTED");
    }
    expect(seen).toEqual([]);
  },
);

test.runIf(isChecked)(
  "over TLS the certificate counts by the host's trust and the name",
  async () => {
    const over = async (name: string, host = "shop.example") =>
      await get(`${host}:${ports[name]}`, "/ok", { tls: true });
    expect(await over("sound")).toMatchObject({ samples: [{ data: { body: "fine" } }] });
    expect(codeOf(await over("sound", "127.0.0.1"))).toBe("ok");
    expect(seen).toEqual([
      `GET /ok shop.example:${ports["sound"]}`,
      `GET /ok 127.0.0.1:${ports["sound"]}`,
    ]);
    seen = [];
    expect(failureOf(await over("sound", "other.example"))).toContain(
      "no TLS that this host trusts",
    );
    expect(failureOf(await over("expired"))).toContain("CERT_HAS_EXPIRED");
    expect(failureOf(await over("stranger"))).toContain("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    expect(failureOf(await over("self"))).toContain("DEPTH_ZERO_SELF_SIGNED_CERT");
    expect(codeOf(await over("plain"))).toBe("READ_FAILED");
    expect(seen).toEqual([]);
  },
);

// Attack 78.
test.runIf(isChecked)("with TLS a name that leads to a link is refused as a whole", async () => {
  const outcome = await get(`moved.example:${ports["sound"]}`, "/ok", { tls: true });
  expect(codeOf(outcome)).toBe("READ_NOT_GRANTED");
  expect(codeOf(await get("192.0.2.1:443", "/ok", { tls: true }, kept))).toBe("PERMISSION_NEEDED");
  expect(seen).toEqual([]);
});

test.runIf(isChecked)("a redirect is not followed, and what is no valid answer fails", async () => {
  const endpoint = `127.0.0.1:${ports["plain"]}`;
  expect(failureOf(await get(endpoint, "/redirect"))).toBe(
    `GET /redirect over http://${endpoint} was answered with 302`,
  );
  expect(seen).toEqual([`GET /redirect ${endpoint}`]);
  expect(codeOf(await get(endpoint, "/none"))).toBe("SOURCE_NOT_FOUND");
  expect(failureOf(await get(endpoint, "/headers"))).toContain("HPE_HEADER_OVERFLOW");
});

test.runIf(isChecked)("an endless answer is cut; a slow or silent server is told", async () => {
  const endpoint = `127.0.0.1:${ports["plain"]}`;
  expect(await get(endpoint, "/endless", { maxBytes: 5000 })).toMatchObject({
    samples: [{ truncated: true, data: { body: "y".repeat(5000) } }],
  });
  const short = { timeoutMs: 200 };
  expect(codeOf(await get(endpoint, "/slow", short))).toBe("READ_TIMEOUT");
  for (const tls of [{}, { tls: true as const }]) {
    const outcome = await get(`127.0.0.1:${ports["silent"]}`, "/ok", { ...short, ...tls });
    expect(codeOf(outcome)).toBe("READ_TIMEOUT");
  }
  const closed = createTcpServer();
  const port = await listen(closed);
  await new Promise((resolve) => void closed.close(resolve));
  expect(failureOf(await get(`127.0.0.1:${port}`, "/ok"))).toContain("nobody listens");
  expect(codeOf(await get("absent.invalid:443", "/ok", { tls: true }))).toBe("SOURCE_NOT_FOUND");
});
