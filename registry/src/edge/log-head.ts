import { SondeError } from "@sonde/schemas/errors";
import { rootOf, signCheckpoint } from "@sonde/trust/log";
import type { LogKey } from "./log-key.ts";
import type { LogStore } from "./store/log-store.ts";

/** How often a new head is signed at most, and the highest age of a served one. */
const SIGN_EVERY_MS = 1000;

/** Returns the log's signed head, a checkpoint. */
export type ReadCheckpoint = () => Promise<string>;

/**
 * Creates a reader of the committed head. It reuses a recent signature while nothing was appended.
 */
export function createCheckpointReader(
  log: LogStore,
  logKey: LogKey,
  now: () => Date,
): ReadCheckpoint {
  let last: { size: number; atMs: number; note: string } | null = null;
  return async () => {
    const head = await log.readHead();
    const at = now();
    const isFresh = last !== null && at.getTime() - last.atMs < SIGN_EVERY_MS;
    if (last === null || last.size !== head.size || !isFresh) {
      const note = signCheckpoint(
        { size: head.size, root: rootOf(head) },
        logKey.key,
        logKey.signer,
        at,
      );
      last = { size: head.size, atMs: at.getTime(), note };
    }
    return last.note;
  };
}

/** Creates a mirror's reader: the signed head of the last import. */
export function createImportedCheckpointReader(log: LogStore): ReadCheckpoint {
  return async () => {
    const note = await log.findCheckpoint();
    if (note !== null) return note;
    throw new SondeError(
      "REGISTRY_UNAVAILABLE",
      "expected an imported log, got none yet: sonde registry import FILE",
    );
  };
}
