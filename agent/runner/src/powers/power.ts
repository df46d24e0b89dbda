import type { Source, SourceKind } from "@sonde/schemas/manifest";
import type { FilledRead, ReadDataByKind } from "@sonde/schemas/reads";

/** What one look gave. `bytes` counts what was read, before any decoding. */
export type Look<K extends SourceKind> = {
  data: ReadDataByKind[K];
  truncated: boolean;
  bytes: number;
};

export type PowerContext = {
  /** Absolute paths no pack may read, each with everything beneath it. */
  denyPaths: string[];
  /** Aborted at the read's deadline. A power that started something ends it then. */
  signal: AbortSignal;
};

/**
 * The agent's code for one source kind: one look at the host, nothing changed.
 *
 * Looks run side by side, so a power keeps no state. It throws SondeError with
 * PERMISSION_NEEDED, SOURCE_NOT_FOUND, READ_NOT_GRANTED, READ_TIMEOUT or READ_FAILED;
 * what its caps cut is no error but `truncated`.
 */
export type Power<K extends SourceKind> = (
  source: Extract<Source, { kind: K }>,
  values: FilledRead["values"],
  context: PowerContext,
) => Promise<Look<K>>;
