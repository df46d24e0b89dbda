import { type Static, Type } from "typebox";
import { Signer } from "../trust/signer.ts";
import { Digest, PackName, Timestamp, Version } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

// The entries of a registry's transparency log: every event of a version. An entry's bytes are its
// canonical JSON (sorted members).

const closed = { additionalProperties: false } as const;
/** A reason or a message, for people. */
export const LogText = Type.String({ minLength: 1, maxLength: 2000 });
/** A range of semantic versions. */
export const LogRange = Type.String({ minLength: 1, maxLength: 200 });
/** Identifies an advisory within its pack. */
export const AdvisoryId = Type.String({ pattern: "^[A-Z0-9][A-Z0-9-]{2,59}$" });

const PublishEntry = Type.Object(
  {
    type: Type.Literal("publish"),
    at: Timestamp,
    name: PackName,
    version: Version,
    digest: Digest,
    contentDigest: Digest,
    /** Copied from the manifest, so that a reader of the log can choose a version by it. */
    engines: Type.Object({ agent: LogRange }, closed),
    signer: Signer,
  },
  closed,
);
export type PublishEntry = Static<typeof PublishEntry>;

/** The publisher yanks a version: it is installed only by its exact number. */
const YankEntry = Type.Object(
  {
    type: Type.Literal("yank"),
    at: Timestamp,
    name: PackName,
    version: Version,
    yanked: Type.Boolean(),
    reason: LogText,
  },
  closed,
);

/** The publisher advises against a whole pack; null withdraws the advice. */
const DeprecateEntry = Type.Object(
  {
    type: Type.Literal("deprecate"),
    at: Timestamp,
    name: PackName,
    message: Type.Union([LogText, Type.Null()]),
  },
  closed,
);

export const Severity = Type.Union([
  Type.Literal("low"),
  Type.Literal("moderate"),
  Type.Literal("high"),
  Type.Literal("critical"),
]);
export type Severity = Static<typeof Severity>;

/** A known fault of the versions in a range. An entry with the same id replaces the earlier one. */
const AdvisoryEntry = Type.Object(
  {
    type: Type.Literal("advisory"),
    at: Timestamp,
    name: PackName,
    id: AdvisoryId,
    range: LogRange,
    severity: Severity,
    text: LogText,
    withdrawn: Type.Boolean(),
  },
  closed,
);
export type AdvisoryEntry = Static<typeof AdvisoryEntry>;

/** The registry's operator stops a version everywhere. */
const QuarantineEntry = Type.Object(
  {
    type: Type.Literal("quarantine"),
    at: Timestamp,
    name: PackName,
    version: Version,
    quarantined: Type.Boolean(),
    reason: LogText,
  },
  closed,
);

export const RegistryEntry = Type.Union([
  PublishEntry,
  YankEntry,
  DeprecateEntry,
  AdvisoryEntry,
  QuarantineEntry,
]);
export type RegistryEntry = Static<typeof RegistryEntry>;

/** Events of a pack after a publish. */
export type PackChange = Exclude<RegistryEntry, PublishEntry>;

/** The shape for reading a registry's own log. */
export const parseRegistryEntry = buildParser(
  RegistryEntry,
  "registry log entry",
  "REGISTRY_LOG_INCONSISTENT",
);
