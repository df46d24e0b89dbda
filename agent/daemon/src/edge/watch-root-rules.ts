import { toSondeError } from "@sonde/schemas/errors";
import type { TrustPolicy } from "@sonde/schemas/trust";
import type { Ceiling } from "../core/ceiling.ts";
import type { AgentEvent } from "../core/record-event.ts";
import { listRuleChanges, summariseRules } from "../core/root-rules.ts";
import type { Log } from "./log.ts";
import { readRootRules, writeRootRules } from "./store/root-rules-file.ts";

export type WatchedRules = {
  /** Where the rules that were recorded last are kept. */
  path: string;
  /** As it is in force at each look. */
  ceiling: () => Ceiling;
  readPolicy: () => TrustPolicy;
};

/**
 * Returns a function that looks at the rules that root set, and records each change since
 * the last look, also since that of an earlier run.
 */
export function watchRootRules(
  { path, ceiling, readPolicy }: WatchedRules,
  record: (event: AgentEvent) => void,
  log: Log,
): () => void {
  let known = readRootRules(path);
  const readOrNull = (): TrustPolicy | null => {
    try {
      return readPolicy();
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      log("trust.unreadable", { code, message });
      return null;
    }
  };
  return () => {
    const now = summariseRules(ceiling(), readOrNull());
    const changes = listRuleChanges(known, now);
    if (changes.length === 0) return;
    for (const change of changes) record(change);
    known = now;
    try {
      writeRootRules(path, now);
    } catch (thrown) {
      // The events are recorded. The next start records them once more.
      log("root-rules.unsaved", { cause: String(thrown) });
    }
  };
}
