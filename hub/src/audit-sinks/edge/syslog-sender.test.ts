import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyedCertificate } from "@sonde/trust/ca";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { SyslogSettings } from "../../sink-settings.ts";
import { buildSampleBatch } from "../../testing/sample-batch.ts";
import {
  issueForLocalhost,
  startSyslogReceiver,
  type SyslogReceiver,
} from "../../testing/sink-receivers.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { createSyslogSender } from "./syslog-sender.ts";

let folder: string;
let own: KeyedCertificate & { ca: string };
let receiver: SyslogReceiver;
const senders: SinkSender[] = [];
const at = (name: string) => join(folder, name);
const never = new AbortController().signal;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-syslog-"));
  own = await issueForLocalhost();
  writeFileSync(at("ca.pem"), own.ca);
});
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.close();
  await receiver.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function open(more: Partial<SyslogSettings> = {}, onLost: () => void = () => undefined) {
  const sender = createSyslogSender(
    {
      ...{ name: "test", kind: "syslog", host: "localhost", port: receiver.port },
      caPath: at("ca.pem"),
      ...more,
    },
    "hub.example",
    onLost,
  );
  senders.push(sender);
  return sender;
}
const seqs = () => receiver.messages.map(({ data }) => Number(data.get("seq")));

test("entries arrive over TLS in frames, in their order, on one connection", async () => {
  receiver = await startSyslogReceiver(own);
  const sender = open();
  for (const from of [1, 101, 201]) await sender.send(buildSampleBatch(from, from + 99), never);
  await expect.poll(() => receiver.messages.length).toBe(300);
  expect(seqs()).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  expect(receiver.faults).toEqual([]);
  expect(receiver.connections()).toBe(1);
  expect(receiver.messages[0]).toMatchObject({
    ...{ priority: 110, host: "hub.example", event: "key.created" },
    record: { event: "key.created", principal: "key:1", detail: { seq: 1 } },
  });
  expect(receiver.messages[0]?.data.get("who")).toBe("key:1");
});

test("a receiver of another authority, or of another name, gets nothing", async () => {
  const other = await issueForLocalhost();
  receiver = await startSyslogReceiver(other);
  await expect(open().send(buildSampleBatch(1), never)).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
  });
  // Its certificate is for `localhost`.
  writeFileSync(at("other-ca.pem"), other.ca);
  const named = open({ host: "127.0.0.1", caPath: at("other-ca.pem") });
  await expect(named.send(buildSampleBatch(1), never)).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
    message: "expected a connection to the receiver, got ERR_TLS_CERT_ALTNAME_INVALID",
  });
  // Without an authority of one's own those of the system count, which know neither.
  const bare = createSyslogSender(
    { name: "test", kind: "syslog", host: "localhost", port: receiver.port },
    "h",
    () => undefined,
  );
  senders.push(bare);
  await expect(bare.send(buildSampleBatch(1), never)).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
  });
  expect(receiver.messages).toEqual([]);
  expect(receiver.connections()).toBe(0);
});

test("a receiver that asks for a certificate is shown the hub's, and without one nothing counts as sent", async () => {
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", at("client-key.pem"), "-out", at("client.pem"), "-days", "2"],
    ...["-subj", "/CN=hub"],
  ]);
  const ca = readFileSync(at("client.pem"));
  receiver = await startSyslogReceiver(own, { requestCert: true, rejectUnauthorized: true, ca });
  // With TLS 1.3 the hub learns of the refusal only after it has written.
  await expect(open().send(buildSampleBatch(1), never)).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
  });
  const tls = { certificatePath: at("client.pem"), privateKeyPath: at("client-key.pem") };
  await open({ tls }).send(buildSampleBatch(2), never);
  expect(seqs()).toEqual([2]);
});

test("a connection that breaks after a batch says that the batch may be lost", async () => {
  receiver = await startSyslogReceiver(own);
  let lost = 0;
  const sender = open({}, () => (lost += 1));
  await sender.send(buildSampleBatch(1), never);
  expect(lost).toBe(0);
  receiver.cut();
  await expect.poll(() => lost).toBe(1);
  await expect(sender.send(buildSampleBatch(2), never)).rejects.toMatchObject({
    code: "SINK_UNREACHABLE",
  });
});

test("its own end is no loss", async () => {
  receiver = await startSyslogReceiver(own);
  let lost = 0;
  const sender = open({}, () => (lost += 1));
  await sender.send(buildSampleBatch(1), never);
  sender.close();
  await expect.poll(() => receiver.messages.length).toBe(1);
  await new Promise((done) => setTimeout(done, 200));
  expect(lost).toBe(0);
});

test("a receiver that takes nothing is given up after ten seconds", async () => {
  receiver = await startSyslogReceiver(own);
  receiver.hang(true);
  // More than all buffers on the way hold.
  const batch = buildSampleBatch(1, 60_000);
  await expect(open().send(batch, never)).rejects.toMatchObject({ code: "SINK_TIMEOUT" });
}, 30_000);

test("a stop does not wait for the receiver", async () => {
  receiver = await startSyslogReceiver(own);
  receiver.hang(true);
  const stopping = new AbortController();
  const sent = open().send(buildSampleBatch(1, 60_000), stopping.signal);
  setTimeout(() => stopping.abort(), 300);
  const before = performance.now();
  await expect(sent).rejects.toMatchObject({ code: "SINK_UNREACHABLE" });
  expect(performance.now() - before).toBeLessThan(5_000);
});
