import { type Static, type TSchema, Type } from "typebox";
import { ERROR_TABLE, type ErrorCode } from "./errors.ts";
import { Source, type SourceKind } from "./manifest/manifest.ts";
import { Digest, Identifier, ProbeName, Timestamp } from "./names.ts";
import { buildParser } from "./parse/validator.ts";

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
 * Data of a directory read. `text` or `failure` is present only when the source names a `child`.
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
  },
  closed,
);

/**
 * Data of a statfs read of every mount; sizes in bytes. A mount that could not be queried has
 * `failure`.
 */
export const FilesystemData = Type.Object(
  {
    mounts: Type.Array(
      Type.Object(
        {
          mountPoint: Type.String(),
          device: Type.String(),
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

export type FileData = Static<typeof FileData>;
export type DirectoryData = Static<typeof DirectoryData>;
export type FilesystemData = Static<typeof FilesystemData>;
export type ExecData = Static<typeof ExecData>;
export type HttpData = Static<typeof HttpData>;

/** The data of each source kind. No two kinds share a member. */
export const READ_DATA = {
  file: FileData,
  directory: DirectoryData,
  filesystem: FilesystemData,
  exec: ExecData,
  http: HttpData,
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

/** A read with every hole filled: exactly what will happen on the host. */
export const FilledRead = Type.Object(
  {
    name: Identifier,
    source: Source,
    values: Type.Record(Type.String(), Type.String({ maxLength: 300 })),
  },
  closed,
);
export type FilledRead = Static<typeof FilledRead>;

/** What was actually done for one read, for provenance and audit. */
export const ReadTrace = Type.Object(
  {
    name: Identifier,
    /** The exact file, argv or request, as one line. */
    what: Type.String({ maxLength: 2000 }),
    bytes: Type.Integer({ minimum: 0 }),
    ms: Type.Number({ minimum: 0 }),
  },
  closed,
);
export type ReadTrace = Static<typeof ReadTrace>;

/** The one argument of a guest's `run`, as JSON. */
export type GuestInput = {
  params: Record<string, unknown>;
  reads: Record<string, ReadOutcome>;
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
      reads: Type.Array(FilledRead, { maxItems: 20 }),
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
      traces: Type.Array(ReadTrace),
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

const ReadOutcomes = Type.Record(Type.String(), ReadOutcome);

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
    confinement: Type.Union([Type.Literal("bubblewrap"), Type.Literal("process")]),
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
export const parseReadOutcomes = buildParser(ReadOutcomes, "outcomes", "RUNNER_UNAVAILABLE");
export const parseRunnerHello = buildParser(RunnerHello, "runner hello", "RUNNER_UNAVAILABLE");
