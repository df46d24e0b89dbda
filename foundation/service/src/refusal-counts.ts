import { type AuditEvent, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import type { ErrorCode } from "@sonde/schemas/errors";

const MINUTE_MS = 60_000;
/** Addresses a minute with rows of their own. All further addresses share the rows of "others". */
const MAX_ADDRESSES = 1_000;

/**
 * Records refused connections and requests. A flood of refusals must not become a flood of rows: each
 * address, code and agent gets one row at once, and one row a minute with the count of the rest.
 */
export type RefusalCounts = {
  /** @param agent the name of the agent whose certificate was refused, where it is known */
  add(address: string, code: ErrorCode, agent?: string): void;
  /** Records the pending counts, so that a stop loses none. */
  close(): Promise<void>;
};

type Counted = { address: string; code: ErrorCode; agent: string | null; count: number };

export function createRefusalCounts(options: {
  event: Extract<
    AuditEvent,
    "key.refused" | "agent.refused" | "request.refused" | "token.refused" | "sign-in.refused"
  >;
  auditLog: { append(record: AuditRecord): Promise<unknown> };
  now: () => Date;
  report: (error: Error) => void;
}): RefusalCounts {
  const { event, auditLog, now, report } = options;
  /** Refusals of this minute that are not recorded yet, by address, code and agent. */
  let counts = new Map<string, Counted>();
  const running = new Set<Promise<void>>();
  const record = ({ address, code, agent, count }: Counted): Promise<void> => {
    const detail = { address, count };
    const refusal = buildAuditRecord(now(), event, { status: "denied", code, agent, detail });
    const written = auditLog
      .append(refusal)
      .then(() => undefined, report)
      .finally(() => running.delete(written));
    running.add(written);
    return written;
  };
  const flush = async (): Promise<void> => {
    const counted = [...counts.values()].filter(({ count }) => count > 0);
    counts = new Map();
    // A count follows the row that it goes on from, and a stop waits for both.
    await Promise.all(running);
    await Promise.all(counted.map(record));
  };
  const timer = setInterval(() => void flush(), MINUTE_MS);
  timer.unref();
  return {
    add(from, code, of) {
      const known = counts.has(`${from} ${code} ${of ?? null}`) || counts.size < MAX_ADDRESSES;
      const address = known ? from : "others";
      const agent = known ? (of ?? null) : null;
      const key = `${address} ${code} ${agent}`;
      const counted = counts.get(key);
      if (counted !== undefined) {
        counted.count += 1;
        return;
      }
      const first = { address, code, agent, count: 0 };
      counts.set(key, first);
      void record({ ...first, count: 1 });
    },
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
