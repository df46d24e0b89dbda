import type { AuditEntry, AuditRecord } from "@sonde/schemas/audit";
import { ERROR_TABLE } from "@sonde/schemas/errors";
import type { AuditLog } from "../../audit/index.ts";
import { type Counter, createCounter, createHistogram, type Family, OTHERS } from "./metrics.ts";

/** How many tools have durations of their own. Each is fourteen series. */
const MAX_TOOLS = 200;

/** Counts what this hub records. */
export type RecordCounts = {
  /** Takes one record that is durable. */
  count(record: Pick<AuditRecord, "event" | "code" | "status" | "probe" | "durationMs">): void;
  read(): Family[];
};

/**
 * Calls are counted by their records, so that numbers and log tell the same. No label names a person, a
 * key or an agent: a fleet has too many of them, and whoever reads numbers need not know them.
 */
export function createRecordCounts(): RecordCounts {
  // The table of errors and the list of events are closed, so both are bounds.
  const calls: Counter = createCounter(
    "sonde_calls_total",
    "Calls of one agent that ended, by the code of their outcome; ok for those without an error",
    Object.keys(ERROR_TABLE).length + 2,
  );
  const records = createCounter(
    "sonde_audit_records_total",
    "Entries that this hub wrote into the audit log, by event",
    200,
  );
  const durations = createHistogram(
    {
      ...{ name: "sonde_call_duration_seconds", label: "tool" },
      help: "From the decision about a call until the answer of its agent, by probe",
    },
    MAX_TOOLS,
  );
  return {
    count({ event, code, status, probe, durationMs }) {
      records.add({ event });
      if (event !== "call.response" && event !== "call.denied" && event !== "call.unknown") return;
      calls.add({ code: status === "ok" ? "ok" : nameCode(code) });
      if (event === "call.response" && probe !== null && durationMs !== null) {
        durations.observe(probe, durationMs / 1000);
      }
    },
    read: () => [calls.read(), durations.read(), records.read()],
  };
}

/** An agent may say any code. */
function nameCode(code: string | null): string {
  return code !== null && Object.hasOwn(ERROR_TABLE, code) ? code : OTHERS;
}

/** The same log; `look` sees each record that became durable. */
export function watchRecords(log: AuditLog, look: (record: AuditRecord) => void): AuditLog {
  const seen = async (written: Promise<AuditEntry>): Promise<AuditEntry> => {
    const entry = await written;
    look(entry.record);
    return entry;
  };
  return {
    ...log,
    append: (record) => seen(log.append(record)),
    appendSoon: (record) => seen(log.appendSoon(record)),
  };
}
