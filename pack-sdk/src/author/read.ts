import type { Source, SourceKind } from "./source.ts";

/** Where a hole's value comes from. */
export type HoleFill =
  | { param: string; otherwise?: string | number | boolean }
  | { value: string | number | boolean };

/**
 * Does a read once for each value that another read of the probe found, up to `atMost` and 100 in a
 * probe. `at` says where they are in its data: names of members, and `*` for every item of a list, as
 * in `entries.*.name`. A text on the way is looked into as JSON: `body.*.Id`.
 */
export type ForEach = { read: string; at: string; hole: string; atMost: number };

/** One use of a source by a probe. */
export type Read<
  S extends Source = Source,
  Optional extends boolean = boolean,
  Many extends boolean = boolean,
> = {
  readonly source: S;
  readonly with: Record<string, HoleFill>;
  readonly optional: Optional;
  readonly forEach: Many extends false ? undefined : ForEach | undefined;
  /** For the types only. */
  readonly many?: Many;
};

/** Fills a hole from a parameter. `otherwise` replaces an absent optional parameter. */
export function param(name: string, otherwise?: string | number | boolean): HoleFill {
  return otherwise === undefined ? { param: name } : { param: name, otherwise };
}

/**
 * Uses a source with its holes filled. With `optional: true`, a failed read reaches `run` as `{ ok:
 * false, failure }`; otherwise it fails the call. With `forEach`, `run` gets a list, in which each single
 * read may have failed; the read as a whole fails when its values could not be found.
 */
export function read<S extends Source>(
  source: S,
  options: { with?: HoleFills; forEach: ForEach; optional: true },
): Read<S, true, true>;
export function read<S extends Source>(
  source: S,
  options: { with?: HoleFills; forEach: ForEach },
): Read<S, false, true>;
export function read<S extends Source>(
  source: S,
  options: { with?: HoleFills; optional: true },
): Read<S, true, false>;
export function read<S extends Source>(
  source: S,
  options: { with: HoleFills },
): Read<S, false, false>;
export function read(
  source: Source,
  options: { with?: HoleFills; forEach?: ForEach; optional?: boolean },
): Read {
  const fills = Object.entries(options.with ?? {}).map(([name, fill]): [string, HoleFill] => [
    name,
    typeof fill === "object" ? fill : { value: fill },
  ]);
  const { forEach, optional = false } = options;
  return { source, with: Object.fromEntries(fills), optional, forEach };
}

/** Keyed by the hole's name. A plain value is a constant. */
type HoleFills = Record<string, HoleFill | string | number | boolean>;

/** Why a read failed: a code such as PERMISSION_NEEDED and one sentence. */
export type Failure = { code: string; message: string };

/** What a certificate says of itself. Times are Unix time in ms. */
type Certificate = {
  subject: string;
  issuer: string;
  names: string[];
  notBefore: number;
  notAfter: number;
  serial: string;
  publicKeySha256: string;
};

/** The data of each source kind. */
export type DataByKind = {
  file: { text: string };
  /**
   * Each part is one or more whole lines that stand together in the file, with their line ends; the
   * newest is the last. `matchCount` counts what fits in the `searchedBytes` at the file's end.
   */
  lines: {
    parts: { text: string }[];
    matchCount: number;
    searchedBytes: number;
    fileBytes: number;
    cutByDeadline: boolean;
  };
  /**
   * `text` or `failure` is present only when the source names a child or asks for contents.
   * `othersHidden`: the kernel leaves other users' processes out of this `/proc`.
   */
  directory: {
    entries: { name: string; text?: string; failure?: Failure }[];
    othersHidden?: boolean;
  };
  /**
   * `modifiedAt` is Unix time in ms, `mode` the permissions, such as 0o644. A folder that may not be
   * listed has `failure`.
   */
  tree: {
    found: {
      path: string;
      type: "file" | "directory" | "link" | "other";
      sizeBytes: number;
      modifiedAt: number;
      ownerId?: number;
      mode?: number;
      linkCount?: number;
      failure?: Failure;
    }[];
  };
  /**
   * Sizes in bytes. A mount that could not be queried has `failure` instead. Mounts with the same
   * `deviceNumber` show one filesystem; `device` is a mere name. No path leads to the `hidden`
   * mounts. `leftOut` counts the mounts that the read's caps cut.
   */
  filesystem: {
    leftOut?: number;
    hidden?: { mountPoint: string; device: string; deviceNumber: string; type: string }[];
    mounts: {
      mountPoint: string;
      device: string;
      deviceNumber?: string;
      type: string;
      options: string;
      totalBytes?: number;
      freeBytes?: number;
      availableBytes?: number;
      totalInodes?: number;
      freeInodes?: number;
      failure?: Failure;
    }[];
  };
  exec: { stdout: string; stderr: string; exitCode: number };
  http: { status: number; body: string };
  /** Rows and boots begin with the newest. Times are Unix time in ms. */
  journal: {
    rows: {
      at: number;
      cursor: string;
      bootId: string;
      priority?: number;
      unit?: string;
      identifier?: string;
      pid?: number;
      message: string;
    }[];
    unreadableRows: number;
    boots: { bootsAgo: number; bootId: string; firstAt: number; lastAt: number }[];
    diskBytes?: number;
    warnings: string;
  };
  /**
   * Servers were asked in this order, and again after a timeout; the last one with an `rcode`, such as
   * `NXDOMAIN`, gave the answer. A value is spelled as in a zone file.
   */
  dns: {
    question: string;
    tried: {
      server: string;
      outcome:
        | "answered"
        | "timeout"
        | "connection-refused"
        | "unreachable"
        | "not-permitted"
        | "malformed";
      rcode?: string;
      ms: number;
    }[];
    answers: { name: string; type: string; ttlSeconds: number; value: string }[];
  };
  /**
   * A name without an address has no `addresses`. Hands are shaken with the first that was connected
   * to. `problems` are by the certificates that the host trusts; `chain` is as the server sent it.
   */
  tls: {
    endpoint: string;
    lookupMs: number;
    addresses: {
      address: string;
      outcome: "connected" | "timeout" | "connection-refused" | "unreachable";
      ms: number;
    }[];
    handshake?: {
      address: string;
      ms: number;
      failure?: string;
      protocol?: string;
      cipher?: string;
      problems: (
        | "expired"
        | "not-yet-valid"
        | "name-mismatch"
        | "self-signed"
        | "unknown-issuer"
        | "not-trusted"
      )[];
      verifyCode?: string;
    };
    chain: Certificate[];
  };
  /** A value is a text as the server spells it. `serverVersion` is such as 170005 for 17.5. */
  sql: { serverVersion: number; records: Record<string, string | null>[] };
  /**
   * A text, a number or a list as the server answers by RESP2. In an entry of the slow log,
   * `[COMMAND, ARGUMENTS, BYTES, LARGEST]` stands in place of the arguments.
   */
  redis: { reply: RedisValue | RedisPart[] };
  /** Files in the order of their paths, without those that have no certificate. */
  certificates: {
    certificateFiles: {
      path: string;
      certificates: (Certificate & {
        isAuthority: boolean;
        isSelfSigned: boolean;
        isSignedByNext?: boolean;
      })[];
      unreadCount?: number;
      hasPrivateKey?: true;
      failure?: Failure;
    }[];
  };
};

type RedisValue = string | number | null;
/** An item of a list that Redis answers with. */
export type RedisPart = RedisValue | (RedisValue | RedisValue[])[];

/** One sample: the data, its time (Unix time in ms), and whether a cap cut it. */
export type Look<K extends SourceKind> = DataByKind[K] & { at: number; truncated: boolean };

type Times<T, N extends number, Done extends T[] = []> = number extends N
  ? T[]
  : Done["length"] extends N
    ? Done
    : Times<T, N, [...Done, T]>;

type Looks<S> =
  S extends Source<infer K, infer N>
    ? N extends 1
      ? Look<K>
      : { samples: Times<Look<K>, N> }
    : never;

type Failed = { ok: false; failure: Failure };

/** What one of several values led to. */
type Found<S> = { value: string } & (({ ok: true } & Looks<S>) | Failed);

/**
 * What `run` receives of a read with `forEach`. `leftOutCount` values were more than `atMost`, and
 * `unfitCount` do not fit the hole; nothing was read for them. What the read of the values itself left
 * out, that read says.
 */
type Finds<S> = { each: Found<S>[]; leftOutCount: number; unfitCount: number };

type ViewOf<S, Many> = Many extends true ? Finds<S> : Looks<S>;

/** What `run` receives for a source or a read of it. */
export type View<R> =
  R extends Read<infer S, infer O, infer M>
    ? O extends true
      ? ({ ok: true } & ViewOf<S, M>) | Failed
      : ViewOf<S, M>
    : Looks<R>;

type SingleOutcome =
  | { ok: true; samples: { at: number; truncated: boolean; data: object }[] }
  | { ok: false; failure: Failure };

/** The outcome of one read as the agent passes it in; see schemas/reads. */
export type ReadOutcome =
  | SingleOutcome
  | {
      ok: true;
      each: { value: string; outcome: SingleOutcome }[];
      leftOutCount: number;
      unfitCount: number;
    };

export function isRead(value: Source | Read): value is Read {
  return "source" in value;
}

/** Turns an outcome into what `run` receives. */
export function buildView(use: Source | Read, outcome: ReadOutcome | undefined): unknown {
  const source = isRead(use) ? use.source : use;
  const optional = isRead(use) && use.optional;
  if (outcome === undefined) throw new Error("expected an outcome for every read, got fewer");
  if (!outcome.ok) {
    if (optional) return { ok: false, failure: outcome.failure };
    throw new Error(`a read failed: ${outcome.failure.code} ${outcome.failure.message}`);
  }
  const view = buildLooks(source, outcome, isRead(use) && use.forEach !== undefined);
  return optional ? { ok: true, ...view } : view;
}

function buildLooks(
  source: Source,
  outcome: Exclude<ReadOutcome, { ok: false }>,
  isMany: boolean,
): object {
  if ("each" in outcome !== isMany) {
    throw new Error(
      `expected ${isMany ? "an outcome for each value" : "one outcome"}, got another`,
    );
  }
  if ("each" in outcome) {
    const { each, leftOutCount, unfitCount } = outcome;
    const found = each.map(({ value, outcome: one }) =>
      one.ok ? { value, ok: true, ...buildLooks(source, one, false) } : { value, ...one },
    );
    return { each: found, leftOutCount, unfitCount };
  }
  const looks = outcome.samples.map(({ at, truncated, data }) => ({ ...data, at, truncated }));
  const [only] = looks;
  if (only === undefined || looks.length !== source.count) {
    throw new Error(`expected ${source.count} samples, got ${looks.length}`);
  }
  return source.count === 1 ? only : { samples: looks };
}
