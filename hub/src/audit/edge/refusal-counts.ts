import type { AuditEvent, AuditRecord } from "@sonde/schemas/audit";
import type { ErrorCode } from "@sonde/schemas/errors";
import { buildAuditRecord } from "../core/audit-record.ts";

const MINUTE_MS = 60_000;
/** Addresses a minute with rows of their own. All further addresses share the rows of "others". */
const MAX_ADDRESSES = 1_000;

/**
 * Records refused connections and requests that have no identity yet. A flood of refusals must not
 * become a flood of rows: each address and code gets one row at once, and one row a minute with the
 * count of the rest.
 */
export type RefusalCounts = {
  add(address: string, code: ErrorCode): void;
  /** Records the pending counts, so that a stop loses none. */
  close(): Promise<void>;
};

export function createRefusalCounts(options: {
  event: Extract<AuditEvent, "key.refused" | "agent.refused">;
  auditLog: { append(record: AuditRecord): Promise<unknown> };
  now: () => Date;
  report: (error: Error) => void;
}): RefusalCounts {
  const { event, auditLog, now, report } = options;
  /** Refusals of this minute that are not recorded yet, by address and code. */
  let counts = new Map<string, { address: string; code: ErrorCode; count: number }>();
  const record = (address: string, code: ErrorCode, count: number) =>
    auditLog
      .append(
        buildAuditRecord(now(), event, { status: "denied", code, detail: { address, count } }),
      )
      .then(() => undefined, report);
  const flush = async (): Promise<void> => {
    const counted = [...counts.values()].filter(({ count }) => count > 0);
    counts = new Map();
    await Promise.all(counted.map(({ address, code, count }) => record(address, code, count)));
  };
  const timer = setInterval(() => void flush(), MINUTE_MS);
  timer.unref();
  return {
    add(from, code) {
      const known = counts.has(`${from} ${code}`) || counts.size < MAX_ADDRESSES;
      const address = known ? from : "others";
      const key = `${address} ${code}`;
      const counted = counts.get(key);
      if (counted !== undefined) {
        counted.count += 1;
        return;
      }
      counts.set(key, { address, code, count: 0 });
      void record(address, code, 1);
    },
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
