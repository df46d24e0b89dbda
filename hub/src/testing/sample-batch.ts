import { buildAuditRecord } from "@sonde/schemas/audit";
import type { Batch } from "../audit-sinks/core/batch.ts";
import { buildBatch } from "../audit-sinks/core/batch.ts";

const HASH = `sha256:${"a".repeat(64)}`;

/** A batch of entries with these numbers. */
export function buildSampleBatch(from: number, to = from): Batch {
  const one = (seq: number) => ({
    ...{ seq, previous: HASH, hash: HASH },
    record: buildAuditRecord(new Date(), "key.created", { principal: "key:1", detail: { seq } }),
  });
  const others = Array.from({ length: to - from }, (_, index) => one(from + 1 + index));
  return buildBatch("test", [one(from), ...others]);
}
