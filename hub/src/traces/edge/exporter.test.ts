import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { Span } from "../core/span.ts";
import { createExporter } from "./exporter.ts";

const SPAN: Span = {
  ...{ traceId: "1".repeat(32), spanId: "2".repeat(16), parentId: null, name: "x", kind: 1 },
  ...{ startMs: 1, endMs: 2, attributes: {}, isFailure: false },
};
const many = (count: number): Span[] => Array.from({ length: count }, () => SPAN);
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(handle: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(handle).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
}

function open(endpoint: string, token: string | null = null) {
  const reported: Error[] = [];
  const exporter = createExporter({
    ...{ endpoint, readToken: () => token, render: (spans) => ({ count: spans.length }) },
    report: (error) => reported.push(error),
  });
  return { exporter, reported };
}

test("attack 40: a collector that never answers costs a bounded number of spans", async () => {
  let asked = 0;
  const endpoint = await listen(() => {
    asked += 1;
  });
  const { exporter } = open(endpoint);
  for (let round = 0; round < 100; round++) exporter.add(many(1_000));
  await expect.poll(() => asked).toBe(1);
  // 100,000 came. One batch is on its way, and as many wait as there is room for.
  expect(exporter.counts()).toEqual({ sent: 0, dropped: 100_000 - 4_096 - 512 });
  servers[0]?.closeAllConnections();
  await exporter.close();
  expect(exporter.counts().sent).toBe(0);
});

test("a collector that is away is reported once", async () => {
  const { exporter, reported } = open("http://127.0.0.1:1/v1/traces");
  for (let round = 0; round < 3; round++) {
    exporter.add(many(512));
    await expect.poll(() => exporter.counts().dropped).toBe(512 * (round + 1));
  }
  expect(reported.map((error) => (error as Error & { code?: string }).code)).toEqual([
    "CONFIG_INVALID",
  ]);
  await exporter.close();
});

test("what waits is sent at the end, with the token", async () => {
  const bodies: string[] = [];
  const endpoint = await listen((request, response) => {
    expect(request.headers.authorization).toBe("Bearer secret");
    request.setEncoding("utf8").on("data", (text: string) => bodies.push(text));
    request.on("end", () => response.end("{}"));
  });
  const { exporter } = open(endpoint, "secret");
  exporter.add(many(3));
  await exporter.close();
  expect(bodies).toEqual(['{"count":3}']);
  expect(exporter.counts()).toEqual({ sent: 3, dropped: 0 });
});

test("a collector that sends elsewhere gets the token and nobody else does", async () => {
  let reached = false;
  const other = await listen((_request, response) => {
    reached = true;
    response.end("{}");
  });
  const endpoint = await listen((_request, response) => {
    response.writeHead(307, { location: other }).end();
  });
  const { exporter } = open(endpoint, "secret");
  exporter.add(many(1));
  await exporter.close();
  expect(exporter.counts()).toEqual({ sent: 0, dropped: 1 });
  expect(reached).toBe(false);
});
