import { type Static, Type } from "typebox";
import { Timestamp, Version } from "../names.ts";
import { AdvisoryId, LogRange, LogText, Severity } from "./registry-log.ts";
import { INVISIBLE } from "../plain-text.ts";
import { buildParser } from "../parse/validator.ts";

// Changes to a pack after it was published. Paths are below /api/v1/packs/:publisher/:pack. Each
// request states the wanted result, so it is idempotent, and its answer is PackLife:
//   PUT  /:version/yank             ChangeYank           maintainers and owners
//   PUT  /deprecation               ChangeDeprecation    maintainers and owners
//   PUT  /advisories/:id            ChangeAdvisory       owners, and the operator
//   PUT  /:version/quarantine       ChangeQuarantine     the operator

const closed = { additionalProperties: false } as const;

export const VersionState = Type.Object(
  {
    /** Why the version is installed only by its exact number; null when it is not yanked. */
    yanked: Type.Union([LogText, Type.Null()]),
    /** Why nobody gets the version; null when it is not quarantined. */
    quarantined: Type.Union([LogText, Type.Null()]),
  },
  closed,
);
export type VersionState = Static<typeof VersionState>;

/** A known fault of the versions in a range. */
export const Advisory = Type.Object(
  {
    id: AdvisoryId,
    range: LogRange,
    severity: Severity,
    text: LogText,
    at: Timestamp,
    /**
     * Who published the advisory: only the operator can withdraw the operator's. The log does not
     * contain this, so a mirror does not know it.
     */
    by: Type.Enum(["publisher", "operator", "unknown"]),
  },
  closed,
);
export type Advisory = Static<typeof Advisory>;

/** All present statements about a pack, without withdrawn ones. */
export const PackLife = Type.Object(
  {
    deprecated: Type.Union([LogText, Type.Null()]),
    advisories: Type.Array(Advisory),
    /** Only versions with a statement. */
    versions: Type.Array(Type.Object({ version: Version, state: VersionState }, closed)),
  },
  closed,
);
export type PackLife = Static<typeof PackLife>;

/** What is said from now on: one line that shows all that it has. A log may have other text. */
const SaidText = Type.String({ minLength: 1, maxLength: 2000, pattern: `^[^${INVISIBLE}]+$` });
export const ChangeYank = Type.Object({ yanked: Type.Boolean(), reason: SaidText }, closed);
export const ChangeDeprecation = Type.Object(
  { message: Type.Union([SaidText, Type.Null()]) },
  closed,
);
export const ChangeAdvisory = Type.Object(
  { range: LogRange, severity: Severity, text: SaidText, withdrawn: Type.Boolean() },
  closed,
);
export const ChangeQuarantine = Type.Object(
  { quarantined: Type.Boolean(), reason: SaidText },
  closed,
);

export const parsePackLife = buildParser(PackLife, "registry answer", "REGISTRY_UNAVAILABLE");
