import { createRequire } from "node:module";
import type { AuditEntry } from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import type { Batch } from "./batch.ts";
import { buildSampleBatch } from "../../testing/sample-batch.ts";
import { countRejected, renderOtlpLogs } from "./otlp-logs.ts";

// What is sent and read, by the message definitions that OpenTelemetry itself publishes and generates.

type Message = {
  fromObject(plain: object): object;
  verify(message: object): string | null;
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: { longs: typeof String }): object;
};
type Definitions = {
  opentelemetry: {
    proto: {
      collector: {
        logs: { v1: Record<"ExportLogsServiceRequest" | "ExportLogsServiceResponse", Message> };
      };
    };
  };
};
const require = createRequire(import.meta.url);
const { opentelemetry } =
  require("@opentelemetry/otlp-transformer/build/src/generated/root.js") as Definitions;
const { ExportLogsServiceRequest, ExportLogsServiceResponse } =
  opentelemetry.proto.collector.logs.v1;

/** What a collector that speaks protobuf has of it. */
function pass(message: Message, plain: object): object {
  const read = message.fromObject(plain);
  expect(message.verify(read)).toBeNull();
  const bytes = message.encode(read).finish();
  return message.toObject(message.decode(bytes), { longs: String });
}

test("each member of an export is one of OTLP's, and has its type and value", () => {
  const batch = buildSampleBatch(1, 4);
  const hostile = "\u202e\u0000 {}";
  const statuses = ["ok", "failure", "denied", "info"] as const;
  const vary = (entry: AuditEntry, place = 0): AuditEntry => {
    const said = { agent: hostile, code: "FORBIDDEN", detail: { said: hostile } };
    const record = { ...entry.record, ...said, status: statuses[place] ?? "info" };
    return { ...entry, seq: Number.MAX_SAFE_INTEGER - place, record };
  };
  const [first, ...others] = batch.entries;
  const entries: Batch["entries"] = [vary(first), ...others.map((one, at) => vary(one, at + 1))];
  const sent = renderOtlpLogs({ ...batch, entries }, { release: "1.2.3", hub: "hub-1" });
  const plain = JSON.parse(JSON.stringify(sent)) as object;
  expect(pass(ExportLogsServiceRequest, plain)).toEqual(plain);
});

test("what a collector says of rejected records is read as OTLP writes it", () => {
  const partialSuccess = { rejectedLogRecords: 3, errorMessage: "too old" };
  expect(countRejected(pass(ExportLogsServiceResponse, { partialSuccess }))).toBe(3);
  expect(countRejected(pass(ExportLogsServiceResponse, {}))).toBe(0);
});
