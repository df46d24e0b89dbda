/** The type of a hole, from a closed vocabulary without patterns. */
export type HoleType =
  | { type: "integer"; minimum: number; maximum: number; optional?: true }
  | { type: "enum"; values: string[]; optional?: true }
  | { type: "boolean" }
  | { type: "hostname" }
  | { type: "unit-name"; optional?: true }
  | { type: "container-name" }
  | { type: "path-beneath"; root: string }
  | { type: "text"; maxLength: number; optional?: true }
  | { type: "dns-name" }
  | { type: "endpoint" }
  | { type: "database-name" }
  | { type: "journal-cursor"; optional?: true };

/** A typed gap in a source, written in place of a value. */
export type Hole = { readonly hole: string; readonly holeType: HoleType };

/**
 * Without a value for an optional hole, that part of the source is left out. Only `lines` and
 * `journal` have such parts.
 */
type CanBeAbsent = { optional?: true };

/** Each function takes the hole's name, by which a read fills it. */
export const hole = {
  /** A whole number of the range; neither limit is below 0. */
  integer: (name: string, range: { minimum: number; maximum: number; optional?: true }): Hole =>
    gap(name, { type: "integer", ...range }),
  /** One of the given words. */
  enumOf: (name: string, values: readonly string[], options: CanBeAbsent = {}): Hole =>
    gap(name, { type: "enum", values: [...values], ...options }),
  /** `true` or `false`. */
  boolean: (name: string): Hole => gap(name, { type: "boolean" }),
  /** The name of a host, such as `db-1.example.com`. */
  hostname: (name: string): Hole => gap(name, { type: "hostname" }),
  /** The name of a systemd unit, such as `ssh.service`. */
  unitName: (name: string, options: CanBeAbsent = {}): Hole =>
    gap(name, { type: "unit-name", ...options }),
  /** The name or id of a container. */
  containerName: (name: string): Hole => gap(name, { type: "container-name" }),
  /** A normalised path beneath `root`. It stands alone: it is the whole path of a source. */
  pathBeneath: (name: string, root: string): Hole => gap(name, { type: "path-beneath", root }),
  /** A text to search for. Without a value everything fits. */
  text: (name: string, options: { maxLength: number; optional?: true }): Hole =>
    gap(name, { type: "text", ...options }),
  /** A name to ask a name server for, such as `_ldap._tcp.example.com`, or an address. */
  dnsName: (name: string): Hole => gap(name, { type: "dns-name" }),
  /** A host and port, such as `shop.example:443`, of those that the host's administrator named. */
  endpoint: (name: string): Hole => gap(name, { type: "endpoint" }),
  /** The name of a database of the server that is asked. */
  databaseName: (name: string): Hole => gap(name, { type: "database-name" }),
  /** The cursor of a row of the journal, to read on from there. */
  journalCursor: (name: string, options: CanBeAbsent = {}): Hole =>
    gap(name, { type: "journal-cursor", ...options }),
};

function gap(name: string, holeType: HoleType): Hole {
  return { hole: name, holeType };
}

export type SourceKind =
  | "file"
  | "lines"
  | "directory"
  | "tree"
  | "filesystem"
  | "exec"
  | "http"
  | "journal"
  | "dns"
  | "tls"
  | "sql"
  | "redis"
  | "certificates";

/**
 * A declared way to read. `Kind` and `Count` (samples per read) decide what a probe's `run`
 * receives; `declaration` is the source's entry in the manifest.
 */
export type Source<Kind extends SourceKind = SourceKind, Count extends number = number> = {
  readonly kind: Kind;
  readonly count: Count;
  readonly declaration: Record<string, unknown>;
};

/** Text, or text with holes in between. */
export type Parts = string | readonly (string | Hole)[];

/** `count` samples, `intervalMs` apart (50 to 5000 ms). */
type Samples = { count: number; intervalMs: number };

type Limits<S extends Samples | undefined> = {
  timeoutMs?: number;
  maxBytes?: number;
  samples?: S;
};

type CountOf<S> = S extends { count: infer N extends number } ? N : 1;

type NoSamples = undefined;

/** Declares sources. Times are in ms, sizes in bytes. An omitted limit gets a modest default. */
export const source = {
  /** One file, or its last `tailBytes`. */
  file: <const S extends Samples | undefined = NoSamples>(
    options: { path: Parts; tailBytes?: number } & Limits<S>,
  ): Source<"file", CountOf<S>> => declare("file", { timeoutMs: 1000, maxBytes: 65536 }, options),

  /**
   * The `newest` lines of a file, or of those that contain a text. The search begins at the file's
   * end and goes `searchBytes` far.
   */
  lines: <const S extends Samples | undefined = NoSamples>(
    options: {
      path: Parts;
      newest?: number | Hole;
      contains?: string | Hole;
      ignoreCase?: true | Hole;
      searchBytes?: number;
    } & Limits<S>,
  ): Source<"lines", CountOf<S>> =>
    declare(
      "lines",
      { newest: 100, searchBytes: 16777216, timeoutMs: 5000, maxBytes: 65536 },
      options,
    ),

  /** The names in a directory. `child` is one file to read in each entry; `contents` reads the entries that are files. */
  directory: <const S extends Samples | undefined = NoSamples>(
    options: {
      path: Parts;
      names?: "all" | "numeric";
      child?: string;
      contents?: true;
      maxEntries?: number;
    } & Limits<S>,
  ): Source<"directory", CountOf<S>> =>
    declare(
      "directory",
      { names: "all", maxEntries: 1000, timeoutMs: 3000, maxBytes: 1048576 },
      options,
    ),

  /** The files beneath a directory, `depth` levels down, with their sizes, times, owners and modes. */
  tree: <const S extends Samples | undefined = NoSamples>(
    options: { path: Parts; depth?: number; maxEntries?: number } & Limits<S>,
  ): Source<"tree", CountOf<S>> =>
    declare("tree", { depth: 3, maxEntries: 1000, timeoutMs: 3000, maxBytes: 1048576 }, options),

  /** Size and use of every mount. */
  filesystem: <const S extends Samples | undefined = NoSamples>(
    options: Limits<S> = {},
  ): Source<"filesystem", CountOf<S>> =>
    declare("filesystem", { timeoutMs: 3000, maxBytes: 1048576 }, options),

  /** A fixed command. A hole fills one whole argument. No shell is involved. */
  exec: <const S extends Samples | undefined = NoSamples>(
    options: {
      command: string;
      argv?: readonly (string | Hole)[];
      okExitCodes?: readonly number[];
    } & Limits<S>,
  ): Source<"exec", CountOf<S>> =>
    declare("exec", { argv: [], timeoutMs: 5000, maxBytes: 262144 }, options),

  /**
   * One GET over a unix socket, to a port of `127.0.0.1` or `[::1]`, or with `tls` to any host and port,
   * whose certificate is verified. Any answer but 2xx is a failure, also a redirect. A value of the
   * query may be a time, as `{ minutesAgo: 10 }` or `{ secondsAhead: 2 }`. `keep: "last"` gives the end of a longer answer.
   * `as: "container-output"` gives lines that begin with `out `, `err ` or, of a terminal, `tty `.
   */
  http: <const S extends Samples | undefined = NoSamples>(
    options: ({ socket: string } | { endpoint: string | Hole; tls?: true }) & {
      path: Parts;
      query?: Record<
        string,
        string | Hole | { minutesAgo: number | Hole } | { secondsAhead: number }
      >;
      keep?: "last";
      as?: "container-output";
    } & Limits<S>,
  ): Source<"http", CountOf<S>> => declare("http", { timeoutMs: 5000, maxBytes: 1048576 }, options),

  /** The host's journal. The pack declares the group `systemd-journal`. */
  journal: <const S extends Samples | undefined = NoSamples>(
    options: {
      show?: "rows" | "boots" | "disk-usage";
      newest?: number | Hole;
      unit?: Hole;
      priority?: string | Hole;
      sinceMinutesAgo?: number | Hole;
      untilMinutesAgo?: number | Hole;
      bootsAgo?: number | Hole;
      contains?: string | Hole;
      ignoreCase?: true | Hole;
      before?: Hole;
      kernelOnly?: true;
    } & Limits<S>,
  ): Source<"journal", CountOf<S>> =>
    declare("journal", { show: "rows", timeoutMs: 10000, maxBytes: 262144 }, options),

  /**
   * One question to the host's name servers, or to the server at an address. A hole for `type` is
   * one of words, for `name` a `dnsName`.
   */
  dns: <const S extends Samples | undefined = NoSamples>(
    options: { server?: string; name: string | Hole; type: string | Hole } & Limits<S>,
  ): Source<"dns", CountOf<S>> =>
    declare("dns", { server: "resolver", timeoutMs: 8000, maxBytes: 65536 }, options),

  /**
   * A connection to a host and port, and the certificates that a TLS server shows. Nothing is sent
   * above TLS. `only: "connect"` shakes no hands.
   */
  tls: <const S extends Samples | undefined = NoSamples>(
    options: { endpoint: string | Hole; only?: "connect" } & Limits<S>,
  ): Source<"tls", CountOf<S>> => declare("tls", { timeoutMs: 8000, maxBytes: 65536 }, options),

  /**
   * One fixed statement to a database server of this host, over its unix socket, in a transaction
   * that writes nothing. A hole is a bound parameter, `database` a `databaseName`. Line ends and
   * indentation of the statement become single blanks. `mysql` is MariaDB too.
   */
  sql: <const S extends Samples | undefined = NoSamples>(
    options: {
      engine: keyof typeof SQL_DEFAULTS;
      socket?: string;
      database?: string | Hole;
      statement: Parts;
      maxRows?: number;
    } & Limits<S>,
  ): Source<"sql", CountOf<S>> =>
    declare(
      "sql",
      {
        ...SQL_DEFAULTS[options.engine],
        ...{ maxRows: 200, timeoutMs: 4000, maxBytes: 262144 },
      },
      { ...options, statement: onOneLine(options.statement) },
    ),

  /**
   * One command of a closed list to a Redis server, over a unix socket or to a port of `127.0.0.1` or
   * `[::1]`: `{ endpoint: "127.0.0.1:6379", command: "INFO memory" }`. `SLOWLOG GET` has `newest`, a number
   * or an `integer`.
   */
  redis: <const S extends Samples | undefined = NoSamples>(
    options: ({ socket: string } | { endpoint: string | Hole }) & {
      command: string;
      newest?: number | Hole;
    } & Limits<S>,
  ): Source<"redis", CountOf<S>> =>
    declare("redis", { timeoutMs: 3000, maxBytes: 262144 }, options),

  /**
   * The certificates in the files beneath a folder whose names end as those of certificates do. Nothing
   * else of these files is read, and none that is named as a private key.
   */
  certificates: <const S extends Samples | undefined = NoSamples>(
    options: { path: Parts; depth?: number; maxEntries?: number } & Limits<S>,
  ): Source<"certificates", CountOf<S>> =>
    declare(
      "certificates",
      { depth: 4, maxEntries: 500, timeoutMs: 5000, maxBytes: 524288 },
      options,
    ),
};

/** As Debian has them. */
const SQL_DEFAULTS = {
  postgres: { socket: "/var/run/postgresql/.s.PGSQL.5432", database: "postgres" },
  mysql: { socket: "/run/mysqld/mysqld.sock", database: "information_schema" },
};

function onOneLine(statement: Parts): Parts {
  const flat = (part: string): string => part.replace(/\s+/g, " ");
  if (typeof statement === "string") return flat(statement).trim();
  return statement.map((part) => (typeof part === "string" ? flat(part) : part));
}

function declare<K extends SourceKind, N extends number>(
  kind: K,
  defaults: Record<string, unknown>,
  options: Record<string, unknown>,
): Source<K, N> {
  const holes: Record<string, HoleType> = {};
  const given = collectHoles(options, holes) as Record<string, unknown>;
  // In the manifest, the author's values come first, then the defaults.
  const declaration = {
    kind,
    ...given,
    ...defaults,
    ...given,
    ...(Object.keys(holes).length > 0 ? { holes } : {}),
  };
  const { samples } = options as { samples?: Samples };
  return { kind, count: (samples?.count ?? 1) as N, declaration };
}

/** Copies a declaration, replaces each hole by its name, and collects the holes' types. */
function collectHoles(value: unknown, holes: Record<string, HoleType>): unknown {
  if (Array.isArray(value)) return value.map((item) => collectHoles(item, holes));
  if (typeof value !== "object" || value === null) return value;
  if (isHole(value)) {
    if (Object.hasOwn(holes, value.hole)) {
      throw new Error(`expected each hole once in a source, got ${value.hole} twice`);
    }
    holes[value.hole] = value.holeType;
    return { hole: value.hole };
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, collectHoles(child, holes)]),
  );
}

function isHole(value: object): value is Hole {
  return "hole" in value && "holeType" in value;
}
