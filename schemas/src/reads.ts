import { type Static, type TSchema, Type } from "typebox";
import { ERROR_TABLE, type ErrorCode } from "./errors.ts";
import { MAX_EACH, Source, type SourceKind } from "./manifest/manifest.ts";
import { Digest, Identifier, ProbeName, Timestamp } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { OwnRights } from "./process-rights.ts";

const closed = { additionalProperties: false } as const;

/** Any code of the error table. */
export const Code = Type.Enum(Object.keys(ERROR_TABLE) as ErrorCode[]);
/**
 * A code of this release's table, or of another release's table. An unknown code is passed on
 * unchanged.
 */
export const CodeText = Type.String({ pattern: "^[A-Z][A-Z0-9_]{1,59}$" });

export const Failure = Type.Object(
  {
    code: Code,
    /** One sentence. It is scrubbed like any other text that leaves the agent. */
    message: Type.String({ maxLength: 2000 }),
  },
  closed,
);
export type Failure = { code: ErrorCode; message: string };

/** A failure as received over the wire; the sender may be of another release. */
export const StatedFailure = Type.Object({
  code: CodeText,
  message: Type.String({ maxLength: 2000 }),
});
export type StatedFailure = Static<typeof StatedFailure>;

/** Data of a file read. */
export const FileData = Type.Object({ text: Type.String() }, closed);

/**
 * Data of a read of lines. Each part is one or more whole lines that stand together in the file,
 * each with its line end; the newest part is the last.
 */
export const LinesData = Type.Object(
  {
    parts: Type.Array(Type.Object({ text: Type.String() }, closed)),
    /** The lines that fit, in all that was searched; without `contains` those that are given. */
    matchCount: Type.Integer({ minimum: 0 }),
    /** Counted from the end of the file. */
    searchedBytes: Type.Integer({ minimum: 0 }),
    fileBytes: Type.Integer({ minimum: 0 }),
    /** The time for the read ended before the search did. */
    cutByDeadline: Type.Boolean(),
  },
  closed,
);

/**
 * Data of a read of a tree: what lies beneath the folder, by its path from there. A folder that may
 * not be listed has `failure`.
 */
export const TreeData = Type.Object(
  {
    found: Type.Array(
      Type.Object(
        {
          path: Type.String(),
          type: Type.Union([
            Type.Literal("file"),
            Type.Literal("directory"),
            Type.Literal("link"),
            Type.Literal("other"),
          ]),
          sizeBytes: Type.Number(),
          /** Unix time in ms. */
          modifiedAt: Type.Number(),
          /** With mode and links, of no recording of Sonde 0.1.0. */
          ownerId: Type.Optional(Type.Integer({ minimum: 0 })),
          /** Its permissions, such as 0o644. */
          mode: Type.Optional(Type.Integer({ minimum: 0, maximum: 0o7777 })),
          linkCount: Type.Optional(Type.Integer({ minimum: 0 })),
          failure: Type.Optional(Failure),
        },
        closed,
      ),
    ),
  },
  closed,
);

/**
 * Data of a directory read. `text` or `failure` is present only when the source names a `child` or asks for `contents`.
 */
export const DirectoryData = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          text: Type.Optional(Type.String()),
          failure: Type.Optional(Failure),
        },
        closed,
      ),
    ),
    /** Of `/proc`: the kernel leaves out the processes of other users (hidepid). */
    othersHidden: Type.Optional(Type.Boolean()),
  },
  closed,
);

/**
 * Data of a statfs read of every mount; sizes in bytes. A mount that could not be queried has
 * `failure`. Release 0.1.0 states no `deviceNumber`, `hidden` and `leftOut`.
 */
export const FilesystemData = Type.Object(
  {
    mounts: Type.Array(
      Type.Object(
        {
          mountPoint: Type.String(),
          device: Type.String(),
          /** `MAJOR:MINOR`: the same of all mounts of one filesystem. */
          deviceNumber: Type.Optional(Type.String()),
          type: Type.String(),
          options: Type.String(),
          totalBytes: Type.Optional(Type.Number()),
          freeBytes: Type.Optional(Type.Number()),
          availableBytes: Type.Optional(Type.Number()),
          totalInodes: Type.Optional(Type.Number()),
          freeInodes: Type.Optional(Type.Number()),
          failure: Type.Optional(Failure),
        },
        closed,
      ),
    ),
    /** Mounts to which no path leads any more, because a later one lies over it. */
    hidden: Type.Optional(
      Type.Array(
        Type.Object(
          {
            mountPoint: Type.String(),
            device: Type.String(),
            deviceNumber: Type.String(),
            type: Type.String(),
          },
          closed,
        ),
      ),
    ),
    /** Mounts that the caps cut: first hidden ones, then those without storage of their own. */
    leftOut: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);

/** Data of a command. */
export const ExecData = Type.Object(
  { stdout: Type.String(), stderr: Type.String(), exitCode: Type.Integer() },
  closed,
);

/** Data of a GET. */
export const HttpData = Type.Object({ status: Type.Integer(), body: Type.String() }, closed);

/**
 * Data of the journal. Which of rows, boots and disk usage it has, the source says.
 */
export const JournalData = Type.Object(
  {
    /** The newest is the first. */
    rows: Type.Array(
      Type.Object(
        {
          /** Unix time in ms. */
          at: Type.Number(),
          /** What an older read takes, to give the rows before this one. */
          cursor: Type.String(),
          bootId: Type.String(),
          /** 0 is the most urgent, 7 is debug. */
          priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 7 })),
          /** The unit that wrote it, or about which systemd wrote it. */
          unit: Type.Optional(Type.String()),
          identifier: Type.Optional(Type.String()),
          pid: Type.Optional(Type.Integer()),
          message: Type.String(),
        },
        closed,
      ),
    ),
    /** Rows that could not be understood. */
    unreadableRows: Type.Integer({ minimum: 0 }),
    /** The newest is the first. Times are Unix time in ms, to the second. */
    boots: Type.Array(
      Type.Object(
        {
          bootsAgo: Type.Integer({ minimum: 0 }),
          bootId: Type.String(),
          firstAt: Type.Number(),
          lastAt: Type.Number(),
        },
        closed,
      ),
    ),
    /** As rounded by `journalctl`. */
    diskBytes: Type.Optional(Type.Number()),
    /** What `journalctl` said besides, such as of a damaged file. */
    warnings: Type.String(),
  },
  closed,
);

/**
 * Data of a question to name servers. They are asked in their order, and again after a timeout;
 * the last of `tried` with an `rcode` gave the answer.
 */
export const DnsData = Type.Object(
  {
    /** The name that was asked for. */
    question: Type.String(),
    tried: Type.Array(
      Type.Object(
        {
          /** Address and port. */
          server: Type.String(),
          outcome: Type.Union([
            Type.Literal("answered"),
            Type.Literal("timeout"),
            Type.Literal("connection-refused"),
            Type.Literal("unreachable"),
            Type.Literal("not-permitted"),
            Type.Literal("malformed"),
          ]),
          /** Such as `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`. */
          rcode: Type.Optional(Type.String()),
          ms: Type.Number(),
        },
        closed,
      ),
    ),
    /** As zone files spell them, without a dot at the end of a name. */
    answers: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          type: Type.String(),
          ttlSeconds: Type.Integer(),
          value: Type.String(),
        },
        closed,
      ),
    ),
  },
  closed,
);

const ConnectOutcome = Type.Union([
  Type.Literal("connected"),
  Type.Literal("timeout"),
  Type.Literal("connection-refused"),
  Type.Literal("unreachable"),
]);

const certificate = {
  subject: Type.String(),
  issuer: Type.String(),
  names: Type.Array(Type.String()),
  /** Unix time in ms. */
  notBefore: Type.Number(),
  notAfter: Type.Number(),
  serial: Type.String(),
  /** Hexadecimal, of the SubjectPublicKeyInfo. */
  publicKeySha256: Type.String(),
};
export const CertificateData = Type.Object(certificate, closed);
export type CertificateData = Static<typeof CertificateData>;

/**
 * Data of a connection. A name without an address has no `addresses`. Hands are shaken with the first
 * address that could be connected to.
 */
export const TlsData = Type.Object(
  {
    endpoint: Type.String(),
    lookupMs: Type.Number(),
    addresses: Type.Array(
      Type.Object({ address: Type.String(), outcome: ConnectOutcome, ms: Type.Number() }, closed),
    ),
    handshake: Type.Optional(
      Type.Object(
        {
          address: Type.String(),
          ms: Type.Number(),
          /** Why there was none: `timeout`, or a word of OpenSSL. */
          failure: Type.Optional(Type.String()),
          protocol: Type.Optional(Type.String()),
          cipher: Type.Optional(Type.String()),
          /** By the certificates that this host trusts. */
          problems: Type.Array(
            Type.Union([
              Type.Literal("expired"),
              Type.Literal("not-yet-valid"),
              Type.Literal("name-mismatch"),
              Type.Literal("self-signed"),
              Type.Literal("unknown-issuer"),
              Type.Literal("not-trusted"),
            ]),
          ),
          /** OpenSSL's word for the first problem of the chain. */
          verifyCode: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
    /** As the server sent it, its own certificate first. */
    chain: Type.Array(CertificateData),
  },
  closed,
);

/** Data of certificates in files, in the order of their paths. Files without one are left out. */
export const CertificatesData = Type.Object(
  {
    certificateFiles: Type.Array(
      Type.Object(
        {
          path: Type.String(),
          /** In the file's order. */
          certificates: Type.Array(
            Type.Object(
              {
                ...certificate,
                isAuthority: Type.Boolean(),
                isSelfSigned: Type.Boolean(),
                /** Absent of the last one. */
                isSignedByNext: Type.Optional(Type.Boolean()),
              },
              closed,
            ),
          ),
          /** Certificates that could not be read, or were too many. */
          unreadCount: Type.Optional(Type.Integer({ minimum: 1 })),
          /** A private key lies in the same file. Nothing of it is given. */
          hasPrivateKey: Type.Optional(Type.Literal(true)),
          failure: Type.Optional(Failure),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type CertificatesData = Static<typeof CertificatesData>;

/** Data of a statement. A value is a text as the server spells it; null is its NULL. */
export const SqlData = Type.Object(
  {
    /** Such as 170005 for PostgreSQL 17.5, 101119 for MariaDB 10.11.19 and 80036 for MySQL 8.0.36. */
    serverVersion: Type.Integer({ minimum: 0 }),
    /** By the names of the statement's columns. */
    records: Type.Array(Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))),
  },
  closed,
);

const RedisValue = Type.Union([Type.String(), Type.Number(), Type.Null()]);
const RedisItem = Type.Union([RedisValue, Type.Array(RedisValue)]);
const RedisPart = Type.Union([RedisValue, Type.Array(RedisItem)]);

/**
 * Data of a command to Redis: a text, a number or a list, as the server answers by RESP2. A number
 * that JSON cannot hold exactly is a text. In an entry of the slow log, `[COMMAND, ARGUMENTS, BYTES,
 * LARGEST]` stands in place of the arguments: how many there are, and their sizes.
 */
export const RedisData = Type.Object(
  { reply: Type.Union([RedisValue, Type.Array(RedisPart)]) },
  closed,
);

export type FileData = Static<typeof FileData>;
export type LinesData = Static<typeof LinesData>;
export type TreeData = Static<typeof TreeData>;
export type DirectoryData = Static<typeof DirectoryData>;
export type FilesystemData = Static<typeof FilesystemData>;
export type ExecData = Static<typeof ExecData>;
export type HttpData = Static<typeof HttpData>;
export type JournalData = Static<typeof JournalData>;
export type DnsData = Static<typeof DnsData>;
export type TlsData = Static<typeof TlsData>;
export type SqlData = Static<typeof SqlData>;
export type RedisData = Static<typeof RedisData>;

/** The data of each source kind. No two kinds share a member. */
export const READ_DATA = {
  file: FileData,
  lines: LinesData,
  directory: DirectoryData,
  tree: TreeData,
  filesystem: FilesystemData,
  exec: ExecData,
  http: HttpData,
  journal: JournalData,
  dns: DnsData,
  tls: TlsData,
  sql: SqlData,
  redis: RedisData,
  certificates: CertificatesData,
} satisfies Record<SourceKind, TSchema>;
export type ReadDataByKind = { [K in SourceKind]: Static<(typeof READ_DATA)[K]> };

const Data = Type.Unsafe<ReadDataByKind[SourceKind]>(Type.Union(Object.values(READ_DATA)));

/**
 * One sample. `at` is Unix time in ms. `truncated` is true when the byte or entry cap cut the data.
 */
export const Sample = Type.Object(
  { at: Type.Number(), truncated: Type.Boolean(), data: Data },
  closed,
);
export type Sample = Static<typeof Sample>;

/** What stands before and after a text that was cut. It is for the scrubber only. */
export const Margin = Type.Object({ before: Type.String(), after: Type.String() }, closed);
export type Margin = Static<typeof Margin>;

/**
 * A sample as a runner sends it. `margins` has the margin of each text that was cut, by its member
 * or, for the file of a directory's entry, by the entry's index.
 */
export const RunnerSample = Type.Object(
  { ...Sample.properties, margins: Type.Optional(Type.Record(Type.String(), Margin)) },
  closed,
);
export type RunnerSample = Static<typeof RunnerSample>;

/**
 * The outcome of one read: one sample, or as many as the source declares. A failure is never an
 * empty list.
 */
export const ReadOutcome = Type.Union([
  Type.Object(
    { ok: Type.Literal(true), samples: Type.Array(Sample, { minItems: 1, maxItems: 10 }) },
    closed,
  ),
  Type.Object({ ok: Type.Literal(false), failure: Failure }, closed),
]);
export type ReadOutcome = { ok: true; samples: Sample[] } | { ok: false; failure: Failure };

/**
 * The outcome of a read that is done for each of several values, in the order in which they were found.
 * A single read that failed is one of `each`; there is no list when the values could not be found.
 */
export const EachOutcome = Type.Object(
  {
    ok: Type.Literal(true),
    each: Type.Array(Type.Object({ value: Type.String(), outcome: ReadOutcome }, closed), {
      maxItems: MAX_EACH,
    }),
    /** Further values, for which nothing was read. */
    leftOutCount: Type.Integer({ minimum: 0 }),
    /** Values that do not fit the hole, or were not there. Nothing was read for them. */
    unfitCount: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type EachOutcome<O = ReadOutcome> = {
  ok: true;
  each: { value: string; outcome: O }[];
  leftOutCount: number;
  unfitCount: number;
};

/** The outcome of a read as a guest gets it. */
export const ProbeOutcome = Type.Union([...ReadOutcome.anyOf, EachOutcome]);
export type ProbeOutcome = ReadOutcome | EachOutcome;

/** An outcome as a runner sends it. The agent scrubs it and drops the margins. */
export const RunnerOutcome = Type.Union([
  Type.Object(
    { ok: Type.Literal(true), samples: Type.Array(RunnerSample, { minItems: 1, maxItems: 10 }) },
    closed,
  ),
  ReadOutcome.anyOf[1],
]);
export type RunnerOutcome = { ok: true; samples: RunnerSample[] } | { ok: false; failure: Failure };

/** The name of a read, and the number of the value for which it is done. */
const FilledName = Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}(\\.[0-9]{1,2})?$" });

/** A read with every hole filled: exactly what will happen on the host. */
export const FilledRead = Type.Object(
  {
    name: FilledName,
    source: Source,
    values: Type.Record(Type.String(), Type.String({ maxLength: 300 })),
  },
  closed,
);
export type FilledRead = Static<typeof FilledRead>;

const trace = {
  /** The exact file, argv or request, as one line. */
  what: Type.String({ maxLength: 2000 }),
  bytes: Type.Integer({ minimum: 0 }),
  ms: Type.Number({ minimum: 0 }),
};

/** What was actually done for one read, for provenance and audit. */
export const ReadTrace = Type.Object(
  {
    name: Identifier,
    ...trace,
    /**
     * Of the outcome by this name as the guest got it: SHA-256 of its JSON. Absent when the guest did
     * not run, and from an agent of an earlier release.
     */
    sha256: Type.Optional(Digest),
  },
  closed,
);
export type ReadTrace = Static<typeof ReadTrace>;

/** The same as a runner tells it of one request. */
const RunnerTrace = Type.Object({ name: FilledName, ...trace }, closed);

/** The one argument of a guest's `run`, as JSON. */
export type GuestInput = {
  params: Record<string, unknown>;
  reads: Record<string, ProbeOutcome>;
  /** Unix time in ms at which the reads began. */
  now: number;
};

// The protocol between agent and runner: frames on a unix socket (wire/frames.ts) whose heads have
// these shapes. The agent treats every reply as hostile, so both directions have schemas. Three
// kinds of frame have a body of JSON in UTF-8:
//
// - the request `run` has a GuestInput
// - the reply to `run` has the guest's return value, unless it has a failure
// - the reply to `read` has the outcomes by read name

export const RunnerRequest = Type.Union([
  Type.Object(
    {
      id: Type.Integer({ minimum: 1 }),
      op: Type.Literal("read"),
      reads: Type.Array(FilledRead, { maxItems: MAX_EACH }),
      /** Time left for all reads together, in ms. */
      timeoutMs: Type.Integer({ minimum: 1 }),
    },
    closed,
  ),
  Type.Object(
    {
      id: Type.Integer({ minimum: 1 }),
      op: Type.Literal("run"),
      packDigest: Digest,
      /** Absolute path of the verified `index.js` in the agent's pack store. */
      codePath: Type.String({ maxLength: 1000 }),
      codeSha256: Digest,
      /** Within its pack. */
      probeName: ProbeName,
      timeoutMs: Type.Integer({ minimum: 1 }),
      memoryMb: Type.Integer({ minimum: 8 }),
    },
    closed,
  ),
  /** The reads of that request must end. They are answered all the same, as far as they came. */
  Type.Object({ id: Type.Integer({ minimum: 1 }), op: Type.Literal("cancel") }, closed),
  /** The pack was revoked or replaced, so its pack host must end. */
  Type.Object(
    { id: Type.Integer({ minimum: 1 }), op: Type.Literal("drop"), packDigest: Digest },
    closed,
  ),
]);
export type RunnerRequest = Static<typeof RunnerRequest>;

export const RunnerReplyHead = Type.Union([
  Type.Object(
    {
      id: Type.Integer(),
      op: Type.Literal("read"),
      traces: Type.Array(RunnerTrace),
    },
    closed,
  ),
  Type.Object(
    {
      id: Type.Integer(),
      op: Type.Literal("run"),
      /** Why there is no result. */
      failure: Type.Optional(Failure),
      ms: Type.Number(),
    },
    closed,
  ),
  Type.Object({ id: Type.Integer(), op: Type.Literal("drop") }, closed),
]);
export type RunnerReplyHead = Static<typeof RunnerReplyHead>;

const RunnerOutcomes = Type.Record(Type.String(), RunnerOutcome);

/**
 * First frame of a runner. It names the runner's supplementary groups, so that the agent can choose
 * a runner for a pack.
 */
export const RunnerHello = Type.Object(
  {
    op: Type.Literal("hello"),
    pid: Type.Integer(),
    uid: Type.Integer(),
    groups: Type.Array(Type.String({ maxLength: 64 })),
    /** How pack hosts are confined on this machine. */
    confinement: Type.Union([
      Type.Literal("bubblewrap"),
      Type.Literal("process"),
      Type.Literal("unit"),
    ]),
    /** Its own rights, for the attestation. */
    rights: OwnRights,
    startedAt: Timestamp,
  },
  closed,
);
export type RunnerHello = Static<typeof RunnerHello>;

export const parseRunnerRequest = buildParser(RunnerRequest, "runner request", "BAD_REQUEST");
export const parseRunnerReplyHead = buildParser(
  RunnerReplyHead,
  "runner reply",
  "RUNNER_UNAVAILABLE",
);
export const parseRunnerOutcomes = buildParser(RunnerOutcomes, "outcomes", "RUNNER_UNAVAILABLE");
export const parseRunnerHello = buildParser(RunnerHello, "runner hello", "RUNNER_UNAVAILABLE");
