import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findFreePort } from "@sonde/database/testing";
import { AuditRecord } from "@sonde/schemas/audit";
import { buildParser } from "@sonde/schemas/parse";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { buildSampleBatch } from "../../testing/sample-batch.ts";
import { createSyslogSender } from "./syslog-sender.ts";

// A real receiver, with the configuration that docs/audit-sinks.md shows.
const folder = mkdtempSync(join(tmpdir(), "sonde-rsyslog-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const parseRecord = buildParser(AuditRecord, "record", "BAD_REQUEST");

/** One certificate is authority, receiver and hub. */
function makeCertificate(): void {
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
    ...["-keyout", at("private.key"), "-out", at("certificate.pem")],
  ]);
}

function writeDocumented(port: number): void {
  const path = resolve(import.meta.dirname, "../../../../docs/audit-sinks.md");
  const [, shown = ""] = /^```rsyslog\n([\s\S]*?)^```$/m.exec(readFileSync(path, "utf8")) ?? [];
  const text = shown
    .replaceAll("/etc/rsyslog-tls/ca.pem", at("certificate.pem"))
    .replaceAll("/etc/rsyslog-tls", folder)
    .replace("6514", String(port))
    .replace("/var/log/sonde-audit.jsonl", at("audit.jsonl"));
  writeFileSync(at("rsyslog.conf"), text);
}

/** Resolves when it listens. */
async function startRsyslog(port: number): Promise<ChildProcess> {
  writeDocumented(port);
  const words = ["-n", "-f", at("rsyslog.conf"), "-i", at("rsyslogd.pid")];
  const program = spawn("/usr/sbin/rsyslogd", words, { stdio: ["ignore", "inherit", "inherit"] });
  onTestFinished(() => void program.kill("SIGKILL"));
  await expect
    .poll(
      () =>
        new Promise((done) => {
          const tried = connect(port, "localhost", () => done("connected"));
          tried.on("error", done).on("connect", () => tried.destroy());
        }),
      { timeout: 20_000 },
    )
    .toBe("connected");
  return program;
}

test("rsyslog takes whole records of all sizes, in their order, and nobody's without a certificate", async () => {
  makeCertificate();
  const port = await findFreePort();
  const program = await startRsyslog(port);
  const closed = once(program, "close");
  const settings = {
    ...{ name: "test", kind: "syslog" as const, host: "localhost", port },
    caPath: at("certificate.pem"),
  };
  const tls = { certificatePath: at("certificate.pem"), privateKeyPath: at("private.key") };
  const stranger = createSyslogSender(settings, "hub.example", () => undefined);
  const sender = createSyslogSender({ ...settings, tls }, "hub.example", () => undefined);
  const never = new AbortController().signal;
  try {
    const small = buildSampleBatch(1, 200);
    const large = buildSampleBatch(201, 203);
    // Longer than a message may be, nearly as long, and with what JSON and syslog escape.
    const details = [
      { text: "x".repeat(20_000) },
      { text: "y".repeat(7_500) },
      { text: 'é"]\\\n' },
    ];
    for (const [index, { record }] of large.entries.entries()) record.detail = details[index] ?? {};
    await sender.send(small, never);
    await sender.send(large, never);
    await expect(stranger.send(buildSampleBatch(204), never)).rejects.toMatchObject({
      code: "SINK_UNREACHABLE",
    });
    const lines = () => readFileSync(at("audit.jsonl"), "utf8").split("\n").slice(0, -1);
    await expect.poll(() => lines().length, { timeout: 10_000 }).toBe(203);
    const records = lines().map((line) => parseRecord(JSON.parse(line)));
    expect(records.slice(0, 200)).toEqual(small.entries.map(({ record }) => record));
    expect(records.slice(200).map(({ detail }) => detail)).toEqual([
      { cut: { bytes: 20_011 } },
      details[1],
      details[2],
    ]);
  } finally {
    sender.close();
    stranger.close();
    program.kill("SIGTERM");
    await closed;
  }
  // What it wrote at its end is in the file too: the stranger's is not.
  expect(readFileSync(at("audit.jsonl"), "utf8")).not.toContain('"seq":204');
}, 60_000);
