import type { AuditEntry } from "@sonde/schemas/audit";

/** So long after the last failure a sink counts as one that works again. */
const SETTLED_MS = 10_000;

/** What is known of a sink's failures. */
export type Trouble = {
  /** Null while it works. */
  failingSince: Date | null;
  /** Of the last failure; null without one. */
  failedAt: Date | null;
  /** Whether the audit log says that it fails. */
  told: boolean;
};

/** `tell` says which entry the log needs. */
export type Step = { trouble: Trouble; tell: "sink.failing" | "sink.recovered" | null };

/**
 * The log says once that a sink fails. Entries about sinks are no reason to say so: with a receiver
 * that fails now and then they would be the reason for each other, without an end.
 */
export function afterFailure(trouble: Trouble, at: Date, entries: readonly AuditEntry[]): Step {
  const isNews = !trouble.told && !entries.every(({ record }) => record.event.startsWith("sink."));
  return {
    trouble: {
      failingSince: trouble.failingSince ?? at,
      failedAt: at,
      told: trouble.told || isNews,
    },
    tell: isNews ? "sink.failing" : null,
  };
}

/** For each batch that was acknowledged, and while there is nothing to send. */
export function whileWorking(trouble: Trouble, at: Date): Step {
  const failedAt = trouble.failedAt?.getTime() ?? 0;
  const isOver = trouble.told && at.getTime() - failedAt >= SETTLED_MS;
  return {
    trouble: { ...trouble, failingSince: null, told: trouble.told && !isOver },
    tell: isOver ? "sink.recovered" : null,
  };
}
