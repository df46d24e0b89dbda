import { MAX_WITNESSES, SinkName } from "@sonde/schemas/hub";
import { type Static, Type } from "typebox";
import { caPath, FilePath, ReceiverAddress, ReceiverPrefix } from "./receiver-settings.ts";

// What the configuration says of witnesses of the audit log's checkpoints, and of the logs that this
// hub is a witness of. hub/src/audit-witnesses/ acts by it.

const closed = { additionalProperties: false } as const;
/** Names its place. A witness that comes back under its name goes on where it was. */
const name = SinkName;
/** A name and an Ed25519 key: `NAME+KEYID+BASE64` (C2SP signed-note). */
const Vkey = Type.String({ minLength: 1, maxLength: 400 });

/** Checkpoints as they are, appended to a file of this machine. */
export const FileWitness = Type.Object(
  { name, kind: Type.Literal("file"), path: FilePath },
  closed,
);
export type FileWitness = Static<typeof FileWitness>;

/** JSON by POST, signed by the scheme of Standard Webhooks. */
export const WebhookWitness = Type.Object(
  {
    ...{ name, kind: Type.Literal("webhook"), url: ReceiverAddress },
    /** A file with the secret, `whsec_...`; of two lines during a rotation. */
    keyPath: FilePath,
    caPath,
  },
  closed,
);
export type WebhookWitness = Static<typeof WebhookWitness>;

/** A witness that cosigns, such as another hub (C2SP tlog-witness). */
export const TlogWitness = Type.Object(
  {
    ...{ name, kind: Type.Literal("tlog-witness") },
    /** The submission prefix; `/add-checkpoint` follows. */
    url: ReceiverPrefix,
    /** The vkey of the witness. Only its cosignature counts. */
    key: Vkey,
    caPath,
  },
  closed,
);
export type TlogWitness = Static<typeof TlogWitness>;

const WitnessSettings = Type.Union([FileWitness, WebhookWitness, TlogWitness]);
export type WitnessSettings = Static<typeof WitnessSettings>;

export const WitnessList = Type.Array(WitnessSettings, { maxItems: MAX_WITNESSES });
/** Vkeys of logs: the name is the origin of a log's checkpoints. A log may have several keys. */
export const WitnessedLogs = Type.Array(Vkey, { maxItems: 64 });
