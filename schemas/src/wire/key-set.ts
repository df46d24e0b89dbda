import { type Static, Type } from "typebox";
import { Timestamp, Uuid } from "../names.ts";
import { buildOpenParser } from "../parse/validator.ts";

/**
 * Header of the upgrade to a session. An agent sends the place of the newest key set that it took
 * over, as `EPOCH.VERSION`, and so says that it follows key sets. The hub sends its set: base64url
 * of the envelope's JSON.
 */
export const KEY_SET_HEADER = "Sonde-Key-Set";

/**
 * Header of the upgrade to a session: the newest head of the hub's log that the agent saw, as
 * `SIZE sha256:HASH`. The hub's welcome has its own entry at that size.
 */
export const SEEN_HEAD_HEADER = "Sonde-Seen-Head";

/** DSSE payload type of a key set, which only the hub's CA key signs. */
export const KEY_SET_TYPE = "application/vnd.sonde.hub-key-set.v1+json";

/** What a key of the set signs: messages to agents, or heads of the hub's audit log. */
export type KeyUse = "command" | "audit";

/** The most keys of one use at a time: the one that signs, and the one before during its overlap. */
const MAX_KEYS = 2;

const SetKey = Type.Object({
  /** SubjectPublicKeyInfo in PEM. */
  publicKey: Type.String({ maxLength: 2000 }),
  since: Timestamp,
  /** The end of its overlap; null for the key that signs now. */
  until: Type.Union([Timestamp, Type.Null()]),
});

/**
 * The hub's command and audit keys, as its CA states them. No two of them are the same. Of two sets the one with the higher epoch is newer,
 * and of one epoch the one with the higher version.
 */
export const KeySet = Type.Object({
  hubId: Uuid,
  /** Unix time in ms at which the hub was restored from a backup; 0 when it never was. */
  epoch: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  expiresAt: Timestamp,
  /** Of each use the first one signs now. */
  commandKeys: Type.Array(SetKey, { minItems: 1, maxItems: MAX_KEYS }),
  /** Absent in a set of a hub that signs no heads. */
  auditKeys: Type.Optional(Type.Array(SetKey, { minItems: 1, maxItems: MAX_KEYS })),
});
export type KeySet = Static<typeof KeySet>;

/** Members that a later release adds are dropped. */
export const parseKeySet = buildOpenParser(KeySet, "key set", "HUB_UNTRUSTED");
