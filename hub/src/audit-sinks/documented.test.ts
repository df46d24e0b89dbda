import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { buildParser } from "@sonde/schemas/parse";
import { expect, test } from "vitest";
import { SinkList } from "../sink-settings.ts";
import { buildSampleBatch } from "../testing/sample-batch.ts";
import { parseWebhookKeys } from "../receivers/index.ts";
import { buildWebhook } from "./core/webhook-request.ts";

// What docs/audit-sinks.md shows works.
const document = readFileSync(resolve(import.meta.dirname, "../../../docs/audit-sinks.md"), "utf8");

function blockOf(language: string): string {
  const [, block] =
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(document) ?? [];
  return block ?? "";
}

test("the configuration that it shows is one, with each kind", () => {
  const { auditSinks } = JSON.parse(blockOf("json")) as { auditSinks: unknown };
  const sinks = buildParser(SinkList, "auditSinks", "CONFIG_INVALID")(auditSinks);
  expect(sinks.map(({ kind }) => kind)).toEqual(["syslog", "webhook", "otlp", "file"]);
});

test("the receiver that it shows takes what is signed, drops doubles, and takes nothing else", async () => {
  type Receiver = {
    isGenuine: (headers: object, body: string, key: string, nowSeconds?: number) => boolean;
    takeNew: (body: string, last: number) => { seq: number }[];
  };
  const folder = mkdtempSync(join(tmpdir(), "sonde-documented-"));
  const file = join(folder, "receiver.mjs");
  writeFileSync(file, blockOf("js"));
  const { isGenuine, takeNew } = (await import(pathToFileURL(file).href)) as Receiver;
  rmSync(folder, { recursive: true });
  const secret = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;
  const keys = parseWebhookKeys(`${secret(1)}\n${secret(2)}`, "f");
  const { headers, body } = buildWebhook(buildSampleBatch(4, 6), "hub-1", keys, new Date());
  expect(isGenuine(headers, body, secret(1))).toBe(true);
  expect(isGenuine(headers, body, secret(2))).toBe(true);
  expect(isGenuine(headers, body, secret(3))).toBe(false);
  expect(isGenuine(headers, `${body} `, secret(1))).toBe(false);
  expect(isGenuine(headers, body, secret(1), Date.now() / 1000 + 600)).toBe(false);
  expect(takeNew(body, 4).map(({ seq }) => seq)).toEqual([5, 6]);
});
