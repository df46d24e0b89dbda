import type { Source, SourceKind } from "@sonde/schemas/manifest";
import type { FilledRead, Margin, ReadDataByKind } from "@sonde/schemas/reads";

/** The result of one read. `bytes` counts the bytes read, before any decoding. */
export type Look<K extends SourceKind> = {
  data: ReadDataByKind[K];
  truncated: boolean;
  bytes: number;
  /** For each text that was cut, by its member or the index of its entry: what stands around it. */
  margins: Record<string, Margin | undefined>;
};

/** `loopback`: the service manager lets this process reach the host's own addresses only. */
export type Reach = "anywhere" | "loopback";

export type PowerContext = {
  /** Absolute paths that no pack may read, with everything beneath them. */
  denyPaths: string[];
  reach: Reach;
  /** Aborted at the read's deadline. The power must then end whatever it started. */
  signal: AbortSignal;
  /** When the deadline is, by `performance.now()`: for a power that can give what it has by then. */
  endsAt: number;
};

/**
 * The runner's code for one source kind. It reads from the host once.
 *
 * Reads run concurrently, so a power keeps no state. It throws SondeError with
 * PERMISSION_NEEDED, SOURCE_NOT_FOUND, READ_NOT_GRANTED, READ_TIMEOUT or READ_FAILED.
 * Data cut at a cap is no error; it is marked `truncated`.
 */
export type Power<K extends SourceKind> = (
  source: Extract<Source, { kind: K }>,
  values: FilledRead["values"],
  context: PowerContext,
) => Promise<Look<K>>;
