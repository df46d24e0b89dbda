import type { AuditAttestation } from "@sonde/schemas/audit";
import { openCosigned } from "../log/cosignature.ts";
import type { NoteKey } from "../log/signed-note.ts";
import { hubLogName } from "./hub-log.ts";

/** What the word of a witness outside is worth, against the entries that were read. */
export type CosignatureVerdict = {
  /** The name of its key. */
  witness: string;
  size: number;
  /** Null when there is none. */
  at: string | null;
  /** `ahead`: it saw more entries than there are. `absent`: nothing here is cosigned by its key. */
  says: "same" | "another" | "ahead" | "absent";
};

/** A verdict, and the root that the witness cosigned; null without one. */
export type Cosignature = { verdict: CosignatureVerdict; root: Buffer | null };

/**
 * Reads what these witnesses cosigned of the hub's log. The hub's own signature is not asked for: the
 * witness has verified it, and the key may have been rotated since.
 */
export function readCosignatures(
  { cosigned, hubId }: Pick<AuditAttestation, "cosigned" | "hubId">,
  keys: readonly NoteKey[],
): Cosignature[] {
  const log = hubLogName(hubId);
  return keys.flatMap((key): Cosignature[] => {
    const witness = key.name;
    const found = cosigned.flatMap(({ note }): Cosignature[] => {
      const opened = openCosigned(note, key);
      if (opened === null || opened.stated.origin !== log) return [];
      const { size, root } = opened.stated;
      // Of a log without entries nothing follows.
      if (size === 0) return [];
      const at = opened.at.toISOString();
      return [{ verdict: { witness, size, at, says: "ahead" }, root }];
    });
    if (found.length > 0) return found;
    return [{ verdict: { witness, size: 0, at: null, says: "absent" }, root: null }];
  });
}
