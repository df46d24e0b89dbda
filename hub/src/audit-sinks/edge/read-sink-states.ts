import type { AuditSinkState } from "@sonde/schemas/hub";
import type { SinkSettings } from "../../sink-settings.ts";
import type { SinkStore } from "./sink-store.ts";

/** Reads how far the configured sinks are. One that no hub has begun yet is left out. */
export async function readSinkStates(options: {
  store: Pick<SinkStore, "list">;
  settings: readonly SinkSettings[];
  /** Attempts that failed at this hub. */
  failures: (name: string) => number;
  now: () => Date;
}): Promise<AuditSinkState[]> {
  const { store, settings, failures, now } = options;
  if (settings.length === 0) return [];
  const stored = await store.list(settings.map(({ name }) => name));
  return settings.flatMap(({ name, kind }): AuditSinkState[] => {
    const found = stored.find((one) => one.name === name);
    if (found === undefined) return [];
    const { seq, head, oldestAt, failingSince, error, rejected } = found;
    const ageMs = oldestAt === null ? 0 : now().getTime() - oldestAt.getTime();
    return [
      {
        ...{ name, kind, seq, lagEntries: Math.max(head - seq, 0) },
        lagSeconds: Math.max(ageMs, 0) / 1000,
        failingSince: failingSince?.toISOString() ?? null,
        lastError: error,
        ...{ failures: failures(name), rejected },
      },
    ];
  });
}
