import { createServer } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { KeyedCertificate } from "@sonde/trust/ca";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildSampleBatch } from "../../testing/sample-batch.ts";
import {
  type HttpReceiver,
  issueForLocalhost,
  startHttpReceiver,
} from "../../testing/sink-receivers.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { createOtlpSender } from "./otlp-sender.ts";
import { createWebhookSender } from "./webhook-sender.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
let folder: string;
let own: KeyedCertificate & { ca: string };
const receivers: HttpReceiver[] = [];
const senders: SinkSender[] = [];
const at = (name: string) => join(folder, name);
const never = new AbortController().signal;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-http-sinks-"));
  own = await issueForLocalhost();
  writeFileSync(at("ca.pem"), own.ca);
  writeFileSync(at("key"), `${SECRET}\n`, { mode: 0o600 });
  writeFileSync(at("token"), "hunter2\n", { mode: 0o600 });
});
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.close();
  for (const receiver of receivers.splice(0)) await receiver.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(certificate: KeyedCertificate | null = own): Promise<HttpReceiver> {
  const receiver = await startHttpReceiver(certificate);
  receivers.push(receiver);
  return receiver;
}

function keep(sender: SinkSender): SinkSender {
  senders.push(sender);
  return sender;
}

const webhook = (url: string, more: object = {}): SinkSender =>
  keep(
    createWebhookSender(
      {
        ...{ name: "test", kind: "webhook", url, keyPath: at("key"), caPath: at("ca.pem") },
        ...more,
      },
      { hubId: "hub-1", now: () => new Date() },
    ),
  );
const otlp = (endpoint: string): SinkSender =>
  keep(
    createOtlpSender(
      {
        ...{ name: "test", kind: "otlp", endpoint, tokenPath: at("token") },
        caPath: at("ca.pem"),
      },
      "hub-name",
    ),
  );
const send = (sender: SinkSender, from = 1, to = from) =>
  sender.send(buildSampleBatch(from, to), never);
const address = ({ port }: HttpReceiver, path = "/sonde") => `https://localhost:${port}${path}`;

test("a webhook gets a batch that the scheme's own library verifies, on one connection", async () => {
  const receiver = await start();
  const sender = webhook(address(receiver, "/sonde?of=hub"));
  await send(sender, 1, 3);
  await send(sender, 4);
  const [first] = receiver.requests;
  expect(first?.url).toBe("/sonde?of=hub");
  const headers = first?.headers as Record<string, string>;
  const body = new Webhook(SECRET).verify(first?.body ?? "", headers) as Record<string, unknown>;
  expect(body).toMatchObject({
    type: "sonde.audit.entries",
    data: { hub: "hub-1", sink: "test", entries: [{ seq: 1 }, { seq: 2 }, { seq: 3 }] },
  });
  const other = new Webhook(`whsec_${Buffer.alloc(32, 8).toString("base64")}`);
  expect(() => other.verify(first?.body ?? "", headers)).toThrow("No matching signature found");
  expect(() => new Webhook(SECRET).verify(`${first?.body} `, headers)).toThrow(
    "No matching signature found",
  );
});

test("during a rotation either key verifies", async () => {
  const receiver = await start();
  const next = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
  writeFileSync(at("keys"), `${next}\n${SECRET}\n`, { mode: 0o600 });
  await send(webhook(address(receiver), { keyPath: at("keys") }));
  const [{ body, headers } = { body: "", headers: {} }] = receiver.requests;
  for (const key of [next, SECRET]) {
    expect(new Webhook(key).verify(body, headers as Record<string, string>)).toBeTruthy();
  }
});

test("a receiver of another authority gets nothing", async () => {
  const receiver = await start(await issueForLocalhost());
  await expect(send(webhook(address(receiver)))).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
  });
  expect(receiver.requests).toEqual([]);
});

test.each([301, 302, 307, 308])("a redirect by %d is refused and not followed", async (status) => {
  const other = await start();
  const receiver = await start();
  receiver.answer = (_request, response) =>
    void response.writeHead(status, { location: address(other) }).end();
  for (const sender of [webhook(address(receiver)), otlp(address(receiver))]) {
    await expect(send(sender)).rejects.toMatchObject({
      code: "SINK_REFUSED",
      message: `expected a status of 2xx, got ${status}`,
      askedMs: 0,
    });
  }
  expect(other.requests).toEqual([]);
});

test("a refusal says its status, and nothing that the receiver said", async () => {
  const receiver = await start();
  receiver.answer = (_request, response) =>
    void response.writeHead(500, "hunter2").end("hunter2".repeat(1_000_000));
  await expect(send(webhook(address(receiver)))).rejects.toMatchObject({
    code: "SINK_REFUSED",
    message: "expected a status of 2xx, got 500",
  });
});

test.each([
  [429, "20", 20_000],
  [503, "20", 20_000],
  [503, "never", 0],
  [500, "20", 0],
])("an answer of %d with Retry-After %s asks for %d ms", async (status, after, askedMs) => {
  const receiver = await start();
  receiver.answer = (_request, response) =>
    void response.writeHead(status, { "retry-after": after }).end();
  await expect(send(webhook(address(receiver)))).rejects.toMatchObject({ askedMs });
});

test("Retry-After may be a date", async () => {
  const receiver = await start();
  const until = new Date(Date.now() + 60_000).toUTCString();
  receiver.answer = (_request, response) =>
    void response.writeHead(429, { "retry-after": until }).end();
  const failure = await send(webhook(address(receiver))).catch((thrown: unknown) => thrown);
  const { askedMs } = failure as { askedMs: number };
  expect(askedMs).toBeGreaterThan(50_000);
  expect(askedMs).toBeLessThanOrEqual(60_000);
});

test("a receiver that cuts the connection, before or within its answer, did not acknowledge", async () => {
  const receiver = await start();
  const sender = webhook(address(receiver));
  receiver.answer = (_request, response) => void response.destroy();
  await expect(send(sender)).rejects.toMatchObject({ code: "SINK_UNREACHABLE" });
  receiver.answer = (_request, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("x", () => response.destroy());
  };
  await expect(send(sender)).rejects.toMatchObject({ code: "SINK_UNREACHABLE" });
});

test("a receiver that never answers is given up after ten seconds", async () => {
  const receiver = await start();
  receiver.answer = () => undefined;
  await expect(send(webhook(address(receiver)))).rejects.toMatchObject({ code: "SINK_TIMEOUT" });
}, 20_000);

test("attack 40: an answer that does not end is read to a small bound", async () => {
  const receiver = await start();
  let written = 0;
  receiver.answer = (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      if (response.destroyed) return;
      written += 1;
      if (response.write(Buffer.alloc(16_384))) setImmediate(more);
      else response.once("drain", more);
    };
    more();
  };
  await expect(send(webhook(address(receiver)))).rejects.toMatchObject({ code: "SINK_REFUSED" });
  expect(written).toBeLessThan(1_000);
});

test("an idle connection that the receiver closed is no failure", async () => {
  // Answers each request on one connection once, and resets that connection at the second request.
  let requests = 0;
  let connections = 0;
  const server = createServer((socket) => {
    let asked = 0;
    connections += 1;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      asked += 1;
      if (asked > 1) return void socket.resetAndDestroy();
      requests += 1;
      socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const sender = webhook(`http://127.0.0.1:${port}/`);
  await send(sender, 1);
  await send(sender, 2);
  expect([requests, connections]).toEqual([2, 2]);
  sender.close();
  server.close();
});

test("a key that others may read is not used, and its content is not said", async () => {
  writeFileSync(at("open-key"), SECRET, { mode: 0o644 });
  const receiver = await start();
  const failure = await send(webhook(address(receiver), { keyPath: at("open-key") })).catch(
    (thrown: unknown) => thrown as Error & { code: string },
  );
  expect(failure).toMatchObject({ code: "CONFIG_INVALID" });
  expect((failure as Error).message).toContain("got owner");
  expect((failure as Error).message).not.toContain(SECRET.slice(8, 20));
  expect(receiver.requests).toEqual([]);
});

test("a collector gets logs of OTLP with the token", async () => {
  const receiver = await start();
  receiver.answer = (_request, response) => void response.end("{}");
  expect(await send(otlp(address(receiver, "/v1/logs")), 4, 5)).toEqual({ rejected: 0 });
  const [{ url, headers, body } = { url: "", headers: {}, body: "" }] = receiver.requests;
  expect([url, headers.authorization, headers["content-type"]]).toEqual([
    ...["/v1/logs", "Bearer hunter2", "application/json"],
  ]);
  const batch = buildSampleBatch(4, 5);
  const value = (stringValue: string) => ({ stringValue });
  const sent = JSON.parse(body) as object;
  expect(sent).toMatchObject({
    resourceLogs: [
      {
        resource: {
          attributes: [
            { key: "service.name", value: value("sonde-hub") },
            { key: "service.version" },
            { key: "service.instance.id", value: value("hub-name") },
          ],
        },
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: expect.stringMatching(/^[0-9]{19}$/) as string,
                ...{ severityNumber: 9, severityText: "INFO" },
                attributes: [
                  { key: "sonde.audit.seq", value: { intValue: "4" } },
                  { key: "sonde.audit.hash", value: value(batch.entries[0].hash) },
                  { key: "sonde.audit.event", value: value("key.created") },
                  { key: "sonde.audit.who", value: value("key:1") },
                ],
              },
              { attributes: [{ value: { intValue: "5" } }, {}, {}, {}] },
            ],
          },
        ],
      },
    ],
  });
});

test.each([
  ["nothing", "", 0],
  ["nothing special", '{"partialSuccess":null}', 0],
  ["a warning", '{"partialSuccess":{"errorMessage":"slow down"},"later":1}', 0],
  ["a number", '{"partialSuccess":{"rejectedLogRecords":2}}', 2],
  ["a text", '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}', 2],
  ["more than there were", '{"partialSuccess":{"rejectedLogRecords":"99"}}', 3],
])("a collector that says %s of rejected records has acknowledged", async (_what, said, count) => {
  const receiver = await start();
  receiver.answer = (_request, response) => void response.end(said);
  expect(await send(otlp(address(receiver)), 1, 3)).toEqual({ rejected: count });
});

test.each(["<html>", "[]", '{"partialSuccess":{"rejectedLogRecords":-1}}'])(
  "what answers %s is no collector",
  async (said) => {
    const receiver = await start();
    receiver.answer = (_request, response) => void response.end(said);
    await expect(send(otlp(address(receiver)))).rejects.toMatchObject({ code: "SINK_REFUSED" });
  },
);
