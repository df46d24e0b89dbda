import { type Static, Type } from "typebox";
import { Capability, Identifier, PackName, ProbeName, Version } from "../names.ts";
import { buildParser } from "../parse/validator.ts";
import { Runbook } from "./runbook.ts";
import { type ValueSchema, ValueSchemaDefinition, ValueSchemaRef } from "./value-schema.ts";

const closed = { additionalProperties: false } as const;

/** Without a value that part of the source is left out. Only where the rules of a kind allow it. */
const isOptional = { optional: Type.Optional(Type.Literal(true)) };

/**
 * A typed gap in a source that a caller's value fills. The vocabulary is closed and contains no
 * patterns. No rendered value can start an option.
 */
export const Hole = Type.Union([
  Type.Object(
    {
      type: Type.Literal("integer"),
      minimum: Type.Integer({ minimum: 0 }),
      maximum: Type.Integer({ minimum: 0 }),
      ...isOptional,
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("enum"),
      values: Type.Array(Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$" }), {
        minItems: 1,
        maxItems: 100,
      }),
      ...isOptional,
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("boolean") }, closed),
  Type.Object({ type: Type.Literal("hostname") }, closed),
  Type.Object({ type: Type.Literal("unit-name"), ...isOptional }, closed),
  Type.Object({ type: Type.Literal("container-name") }, closed),
  Type.Object(
    {
      type: Type.Literal("path-beneath"),
      root: Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 200 }),
    },
    closed,
  ),
  /** A text to search for. It never becomes a path or an argument of its own. */
  Type.Object(
    {
      type: Type.Literal("text"),
      maxLength: Type.Integer({ minimum: 1, maximum: 200 }),
      ...isOptional,
    },
    closed,
  ),
  /** A name to ask a name server for, or an address. */
  Type.Object({ type: Type.Literal("dns-name") }, closed),
  /** A host and port that the host's administrator named in a grant. */
  Type.Object({ type: Type.Literal("endpoint") }, closed),
  /** The name of a database of a server: letters, digits, `_`, `$` and `-`. */
  Type.Object({ type: Type.Literal("database-name") }, closed),
  /** A place in the journal, as an earlier read of it gave. */
  Type.Object({ type: Type.Literal("journal-cursor"), ...isOptional }, closed),
]);
export type Hole = Static<typeof Hole>;

const HoleRef = Type.Object({ hole: Identifier }, closed);
const Holes = Type.Optional(
  Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), Hole, {
    additionalProperties: false,
    maxProperties: 8,
  }),
);

/** A string, or fixed parts and holes that are concatenated when rendered. */
export const Template = Type.Union([
  Type.String({ minLength: 1, maxLength: 300 }),
  Type.Array(Type.Union([Type.String({ minLength: 1, maxLength: 300 }), HoleRef]), {
    minItems: 1,
    maxItems: 12,
  }),
]);
export type Template = Static<typeof Template>;

const limits = {
  timeoutMs: Type.Integer({ minimum: 10, maximum: 30000 }),
  maxBytes: Type.Integer({ minimum: 1, maximum: 8388608 }),
  samples: Type.Optional(
    Type.Object(
      {
        count: Type.Integer({ minimum: 2, maximum: 10 }),
        intervalMs: Type.Integer({ minimum: 50, maximum: 5000 }),
      },
      closed,
    ),
  ),
  holes: Holes,
};

/**
 * One file. `tailBytes` reads only its last lines, up to that size. Files that report size 0
 * (`/proc`) are read to the end.
 */
export const FileSource = Type.Object(
  {
    kind: Type.Literal("file"),
    path: Template,
    tailBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 8388608 })),
    ...limits,
  },
  closed,
);

/**
 * The names in a directory. `child` names one file to read in each entry (`/proc/<pid>/stat`), `contents`
 * reads the entries themselves.
 */
export const DirectorySource = Type.Object(
  {
    kind: Type.Literal("directory"),
    path: Template,
    names: Type.Union([Type.Literal("all"), Type.Literal("numeric")]),
    child: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$" })),
    contents: Type.Optional(Type.Literal(true)),
    maxEntries: Type.Integer({ minimum: 1, maximum: 20000 }),
    ...limits,
  },
  closed,
);

/** statfs(2) of every mount of the host. */
export const FilesystemSource = Type.Object(
  { kind: Type.Literal("filesystem"), ...limits },
  closed,
);

/** A fixed command with a fixed argv. A hole fills one whole argument. */
export const ExecSource = Type.Object(
  {
    kind: Type.Literal("exec"),
    command: Type.String({ pattern: "^[a-z0-9][a-z0-9_.+-]{0,63}$" }),
    argv: Type.Array(Type.Union([Type.String({ minLength: 1, maxLength: 200 }), HoleRef]), {
      maxItems: 40,
    }),
    okExitCodes: Type.Optional(
      Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), { minItems: 1, maxItems: 10 }),
    ),
    ...limits,
  },
  closed,
);

export const ENDPOINT_PATTERN = "^([a-z0-9.-]{1,253}|\\[[0-9a-f.:]{2,45}\\]):[1-9][0-9]{0,4}$";

/** A name or address, and a port: `shop.example:443`, `[2001:db8::1]:443`. */
export const Endpoint = Type.String({ pattern: ENDPOINT_PATTERN, maxLength: 260 });

/** A time in Unix seconds, that long before or after the read. */
const Moment = Type.Union([
  Type.Object(
    { minutesAgo: Type.Union([Type.Integer({ minimum: 0, maximum: 10_000_000 }), HoleRef]) },
    closed,
  ),
  Type.Object({ secondsAhead: Type.Integer({ minimum: 0, maximum: 20 }) }, closed),
]);

/**
 * One GET: over a unix socket, to a port of loopback, or with `tls` to any host and port. Exactly one
 * of `socket` and `endpoint` is there. A query value is a string or a hole.
 */
export const HttpSource = Type.Object(
  {
    kind: Type.Literal("http"),
    socket: Type.Optional(Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 100 })),
    endpoint: Type.Optional(Type.Union([Endpoint, HoleRef])),
    /** The certificate is verified, by what the host trusts and the endpoint's own name. */
    tls: Type.Optional(Type.Literal(true)),
    path: Template,
    query: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z][A-Za-z0-9_-]{0,39}$" }),
        Type.Union([Type.String({ maxLength: 200 }), HoleRef, Moment]),
        { additionalProperties: false, maxProperties: 12 },
      ),
    ),
    /** Of an answer above `maxBytes` its end is kept, from the beginning of a line on. */
    keep: Type.Optional(Type.Literal("last")),
    /** The answer is what a container wrote, as an engine sends it. */
    as: Type.Optional(Type.Literal("container-output")),
    ...limits,
  },
  closed,
);

/**
 * The newest lines of a file, or the newest of those that contain a text. The file is searched from
 * its end, `searchBytes` far. `maxBytes` is the most that is given.
 */
export const LinesSource = Type.Object(
  {
    kind: Type.Literal("lines"),
    path: Template,
    /** How many lines are given, at most. */
    newest: Type.Union([Type.Integer({ minimum: 1, maximum: 10000 }), HoleRef]),
    /** Compared byte by byte. */
    contains: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 200 }), HoleRef])),
    /** The letters A to Z are the same as a to z. */
    ignoreCase: Type.Optional(Type.Union([Type.Literal(true), HoleRef])),
    searchBytes: Type.Integer({ minimum: 1, maximum: 1099511627776 }),
    ...limits,
  },
  closed,
);

/** The files beneath a folder, with size and time. Nothing is opened but folders. */
export const TreeSource = Type.Object(
  {
    kind: Type.Literal("tree"),
    path: Template,
    /** 1: only the folder's own entries. */
    depth: Type.Integer({ minimum: 1, maximum: 8 }),
    maxEntries: Type.Integer({ minimum: 1, maximum: 20000 }),
    ...limits,
  },
  closed,
);

/** The words of `journalctl --priority`, the most urgent first. */
export const JOURNAL_PRIORITIES = [
  ...["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"],
];

const JournalCount = Type.Optional(
  Type.Union([Type.Integer({ minimum: 0, maximum: 10_000_000 }), HoleRef]),
);

/**
 * The host's journal, by `journalctl`: its newest rows, its boots, or how much disk it takes. The
 * members after `show` choose rows. Needs the group `systemd-journal`.
 */
export const JournalSource = Type.Object(
  {
    kind: Type.Literal("journal"),
    show: Type.Union([Type.Literal("rows"), Type.Literal("boots"), Type.Literal("disk-usage")]),
    /** How many rows are given, at most. */
    newest: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 10000 }), HoleRef])),
    unit: Type.Optional(HoleRef),
    /** Rows of this priority and more urgent ones. */
    priority: Type.Optional(Type.Union([Type.Enum(JOURNAL_PRIORITIES), HoleRef])),
    sinceMinutesAgo: JournalCount,
    untilMinutesAgo: JournalCount,
    /** 0 is the present boot. */
    bootsAgo: JournalCount,
    /** In the message. Taken literally. */
    contains: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 200 }), HoleRef])),
    ignoreCase: Type.Optional(Type.Union([Type.Literal(true), HoleRef])),
    /** Only rows that are older than the one of this cursor. */
    before: Type.Optional(HoleRef),
    kernelOnly: Type.Optional(Type.Literal(true)),
    ...limits,
  },
  closed,
);

/** What a name server can be asked for. */
export const DNS_TYPES = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] as const;

/**
 * One question to a name server. `resolver` stands for the servers of `/etc/resolv.conf`, as many as
 * the host itself asks. An address may have a port: `192.0.2.1`, `[2001:db8::1]:5353`.
 */
export const DnsSource = Type.Object(
  {
    kind: Type.Literal("dns"),
    server: Type.Union([
      Type.Literal("resolver"),
      Type.String({ pattern: "^([0-9.]{7,15}|\\[[0-9a-f.:]{2,45}\\])(:[1-9][0-9]{0,4})?$" }),
    ]),
    /** Taken as it is: no search domain is appended. An address with `PTR` asks for its name. */
    name: Type.Union([Type.String({ minLength: 1, maxLength: 253 }), HoleRef]),
    type: Type.Union([Type.Enum([...DNS_TYPES]), HoleRef]),
    ...limits,
  },
  closed,
);

/**
 * A connection to a host and port, and what a TLS server shows in its handshake. Nothing is sent
 * above that. A caller chooses only among endpoints that the host's administrator named.
 */
export const TlsSource = Type.Object(
  {
    kind: Type.Literal("tls"),
    endpoint: Type.Union([Endpoint, HoleRef]),
    /** Connects, and shakes no hands. */
    only: Type.Optional(Type.Literal("connect")),
    ...limits,
  },
  closed,
);

/**
 * One fixed statement to a database server of this host, over its unix socket. A hole of the statement
 * is a bound parameter; no text of a caller becomes a part of it.
 */
export const SqlSource = Type.Object(
  {
    kind: Type.Literal("sql"),
    engine: Type.Union([Type.Literal("postgres"), Type.Literal("mysql")]),
    socket: Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 100 }),
    database: Type.Union([Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_$-]{0,62}$" }), HoleRef]),
    /** Keywords in capitals, names in small letters. Fixed parts, and holes that are bound. */
    statement: Type.Union([
      Type.String({ minLength: 1, maxLength: 1400 }),
      Type.Array(Type.Union([Type.String({ minLength: 1, maxLength: 1400 }), HoleRef]), {
        minItems: 1,
        maxItems: 12,
      }),
    ]),
    maxRows: Type.Integer({ minimum: 1, maximum: 10000 }),
    ...limits,
  },
  closed,
);

/**
 * All that a Redis server is ever asked. None of it writes, waits or resets, and none names a key: a
 * setting is one of a few whose values are no secrets.
 */
export const REDIS_COMMANDS: readonly string[] = [
  ...["INFO", "SLOWLOG GET", "SLOWLOG LEN", "CLIENT LIST", "MEMORY STATS", "MEMORY DOCTOR"],
  ...["LATENCY LATEST", "ROLE", "DBSIZE"],
  ...["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "keyspace"]
    .concat("commandstats", "latencystats", "errorstats", "cluster")
    .map((section) => `INFO ${section}`),
  ...["command", "fast-command", "fork", "aof-write", "aof-write-pending-fsync"]
    .concat("aof-write-active-child", "aof-write-alone", "aof-fsync-always", "aof-fstat")
    .concat("aof-rewrite-diff-write", "aof-rename", "rdb-unlink-temp-file", "expire-cycle")
    .concat("eviction-cycle", "eviction-del", "active-defrag-cycle")
    .map((event) => `LATENCY HISTORY ${event}`),
  ...["maxmemory", "maxmemory-policy", "maxclients", "timeout", "tcp-keepalive", "tcp-backlog"]
    .concat("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold")
    .concat("save", "appendonly", "appendfsync", "stop-writes-on-bgsave-error")
    .concat("repl-backlog-size", "min-replicas-to-write", "activedefrag")
    .map((setting) => `CONFIG GET ${setting}`),
];

/** The most entries of the slow log that are asked for. */
export const MAX_SLOWLOG = 1000;

/**
 * One fixed command to a Redis server of this host, over a unix socket or to a port of loopback. Exactly
 * one of `socket` and `endpoint` is there.
 */
export const RedisSource = Type.Object(
  {
    kind: Type.Literal("redis"),
    socket: Type.Optional(Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 100 })),
    endpoint: Type.Optional(Type.Union([Endpoint, HoleRef])),
    command: Type.Enum([...REDIS_COMMANDS]),
    /** How many entries are asked for, at most. Only `SLOWLOG GET` has it, and must. */
    newest: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: MAX_SLOWLOG }), HoleRef]),
    ),
    ...limits,
  },
  closed,
);

/** The certificates in the files beneath a folder. Of those files nothing else is given. */
export const CertificatesSource = Type.Object(
  {
    kind: Type.Literal("certificates"),
    path: Template,
    /** 1: only the folder's own files. */
    depth: Type.Integer({ minimum: 1, maximum: 8 }),
    maxEntries: Type.Integer({ minimum: 1, maximum: 5000 }),
    ...limits,
  },
  closed,
);

export const Source = Type.Union([
  FileSource,
  LinesSource,
  DirectorySource,
  TreeSource,
  FilesystemSource,
  ExecSource,
  HttpSource,
  JournalSource,
  DnsSource,
  TlsSource,
  SqlSource,
  RedisSource,
  CertificatesSource,
]);
export type FileSource = Static<typeof FileSource>;
export type LinesSource = Static<typeof LinesSource>;
export type DirectorySource = Static<typeof DirectorySource>;
export type TreeSource = Static<typeof TreeSource>;
export type FilesystemSource = Static<typeof FilesystemSource>;
export type ExecSource = Static<typeof ExecSource>;
export type HttpSource = Static<typeof HttpSource>;
export type JournalSource = Static<typeof JournalSource>;
export type DnsSource = Static<typeof DnsSource>;
export type TlsSource = Static<typeof TlsSource>;
export type SqlSource = Static<typeof SqlSource>;
export type RedisSource = Static<typeof RedisSource>;
export type CertificatesSource = Static<typeof CertificatesSource>;
export type Source = Static<typeof Source>;
export type SourceKind = Source["kind"];

/** The database servers that this release can ask. Any other is PACK_NEEDS_NEWER_AGENT. */
export const SQL_ENGINES = SqlSource.properties.engine.anyOf.map((engine) => engine.const);

/** The source kinds that this release can perform. Any other kind is PACK_NEEDS_NEWER_AGENT. */
export const SOURCE_KINDS = Source.anyOf.map(({ properties }) => properties.kind.const);

/** What a person grants. Derived from the sources, except `groups`, which the manifest declares. */
export const Requires = Type.Object(
  {
    groups: Type.Array(Type.String({ pattern: "^[a-z_][a-z0-9_-]{0,31}$" }), { maxItems: 10 }),
    /** `COMMAND ARGUMENTS`, one for each command. */
    commands: Type.Array(Type.String({ maxLength: 600 }), { maxItems: 100 }),
    files: Type.Array(Type.String({ maxLength: 400 }), { maxItems: 400 }),
    /**
     * `SOCKET GET PATH?QUERY`, `SOCKET SQL DATABASE STATEMENT` or `SOCKET REDIS COMMAND`, one for each
     * request. The socket is a path, or an endpoint of loopback for GET and REDIS.
     */
    sockets: Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 100 }),
    /**
     * `SERVER DNS TYPE NAME`, `ENDPOINT TLS`, `ENDPOINT TCP` or `ENDPOINT TLS GET PATH?QUERY`, one for
     * each question, connection or request.
     * Left out when that is nothing.
     */
    hosts: Type.Optional(Type.Array(Type.String({ maxLength: 600 }), { maxItems: 100 })),
  },
  closed,
);
export type Requires = Static<typeof Requires>;

/**
 * How much is read of one thing that a pack requires. Part of what a person grants. Derived from
 * the sources.
 */
export const ReadWindow = Type.Object(
  {
    /** `file PATH`, `command COMMAND ARGUMENTS`, `socket SOCKET GET PATH?QUERY` or `host ...`. */
    of: Type.String({ minLength: 1, maxLength: 2020 }),
    part: Type.Union([Type.Literal("first"), Type.Literal("last")]),
    bytes: Type.Integer({ minimum: 1 }),
    /** Of a directory. */
    entries: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  closed,
);
export type ReadWindow = Static<typeof ReadWindow>;

/** Where a hole's value comes from. `otherwise` replaces an absent optional parameter. */
export const HoleValue = Type.Union([
  Type.Object(
    {
      param: Identifier,
      otherwise: Type.Optional(
        Type.Union([Type.String({ maxLength: 200 }), Type.Integer(), Type.Boolean()]),
      ),
    },
    closed,
  ),
  Type.Object(
    { value: Type.Union([Type.String({ maxLength: 200 }), Type.Integer(), Type.Boolean()]) },
    closed,
  ),
]);
export type HoleValue = Static<typeof HoleValue>;

/** The most reads of one probe. */
export const MAX_READS = 20;
/** The most values for which the reads of one probe are done. */
export const MAX_EACH = 100;

/**
 * A read is done once for each value that another read of the probe found. The values are the host's,
 * so each must fit the hole as a caller's value must.
 */
export const ForEach = Type.Object(
  {
    /** The read that finds the values. It is done once itself. */
    read: Identifier,
    /**
     * Where the values are in its data: names of members, and `*` for every item of a list. A member of
     * a text is looked up in that text as JSON: `entries.*.name`, `body.*.Id`.
     */
    at: Type.String({
      pattern: "^[A-Za-z_][A-Za-z0-9_-]{0,63}(\\.([A-Za-z_][A-Za-z0-9_-]{0,63}|\\*)){0,7}$",
    }),
    /** The hole that each value fills. */
    hole: Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }),
    /** The first of them, in the order in which they were found. */
    atMost: Type.Integer({ minimum: 1, maximum: MAX_EACH }),
  },
  closed,
);
export type ForEach = Static<typeof ForEach>;

/** One use of a source by a probe. A failed read fails the call unless it is `optional`. */
export const Read = Type.Object(
  {
    source: Identifier,
    with: Type.Optional(
      Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), HoleValue, {
        additionalProperties: false,
        maxProperties: 8,
      }),
    ),
    optional: Type.Optional(Type.Literal(true)),
    forEach: Type.Optional(ForEach),
  },
  closed,
);
export type Read = Static<typeof Read>;

export const ProbeManifest = Type.Object(
  {
    description: Type.String({ minLength: 10, maxLength: 600, pattern: "\\.$" }),
    capability: Capability,
    params: ValueSchemaRef,
    result: ValueSchemaRef,
    reads: Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), Read, {
      additionalProperties: false,
      maxProperties: MAX_READS,
    }),
  },
  closed,
);
export type ProbeManifest = Omit<Static<typeof ProbeManifest>, "params" | "result"> & {
  params: ValueSchema;
  result: ValueSchema;
};

export const Manifest = Type.Object(
  {
    /** 2 for a pack with a read that has `forEach`, so that releases without it refuse it in words. */
    manifest: Type.Union([Type.Literal(1), Type.Literal(2)]),
    name: PackName,
    version: Version,
    description: Type.String({ minLength: 10, maxLength: 300 }),
    license: Type.String({ minLength: 2, maxLength: 60 }),
    repository: Type.String({ pattern: "^https://", maxLength: 200 }),
    engines: Type.Object({ agent: Type.String({ minLength: 1, maxLength: 60 }) }, closed),
    sources: Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), Source, {
      additionalProperties: false,
      maxProperties: 60,
    }),
    requires: Requires,
    probes: Type.Record(ProbeName, ProbeManifest, {
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 60,
    }),
    runbook: Type.Optional(Runbook),
  },
  { ...closed, $defs: { ValueSchema: ValueSchemaDefinition } },
);
export type Manifest = Omit<Static<typeof Manifest>, "probes"> & {
  probes: Record<string, ProbeManifest>;
};

const parseShape = buildParser(Manifest, "pack.json", "MANIFEST_INVALID");

/** Checks the shape only. `checkManifest` of trust/pack adds the rules that span fields. */
export const parseManifestShape = (value: unknown): Manifest => parseShape(value);
