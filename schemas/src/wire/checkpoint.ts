import { type Static, Type } from "typebox";
import { buildOpenParser } from "../parse/validator.ts";

/**
 * Header of the upgrade to a session: the number of entries of the hub's log in the newest checkpoint
 * that the agent took over, 0 for none. The hub's welcome then has a checkpoint.
 */
export const SEEN_CHECKPOINT_HEADER = "Sonde-Seen-Checkpoint";

/** A SHA-256 in base64. */
export const TreeHash = Type.String({ pattern: "^[A-Za-z0-9+/]{43}=$" });

/**
 * The newest signed head of the Merkle log over the hub's audit log, and the proof that it begins
 * with what the agent saw before (RFC 9162, 2.1.4.1). The first one proves nothing.
 */
export const CheckpointBody = Type.Object({
  /** A signed note (C2SP tlog-checkpoint), by a key of the key set's `auditKeys`. */
  note: Type.String({ maxLength: 8_192 }),
  growth: Type.Array(TreeHash, { maxItems: 110 }),
});
export type CheckpointBody = Static<typeof CheckpointBody>;

/** An agent says that it took over this checkpoint, which is durable there. */
export const WitnessBody = Type.Object({
  size: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  root: TreeHash,
});
export type WitnessBody = Static<typeof WitnessBody>;

export const parseCheckpointBody = buildOpenParser(
  CheckpointBody,
  "checkpoint",
  "ENVELOPE_INVALID",
);
export const parseWitnessBody = buildOpenParser(WitnessBody, "witness", "ENVELOPE_INVALID");
