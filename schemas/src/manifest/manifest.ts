import { type Static, Type } from "typebox";
import { Capability, Identifier, PackName, ProbeName, Version } from "../names.ts";
import { buildParser } from "../parse/validator.ts";
import { type ValueSchema, ValueSchemaDefinition, ValueSchemaRef } from "./value-schema.ts";

const closed = { additionalProperties: false } as const;

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
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("boolean") }, closed),
  Type.Object({ type: Type.Literal("hostname") }, closed),
  Type.Object({ type: Type.Literal("unit-name") }, closed),
  Type.Object({ type: Type.Literal("container-name") }, closed),
  Type.Object(
    {
      type: Type.Literal("path-beneath"),
      root: Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 200 }),
    },
    closed,
  ),
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

/** The names in a directory. `child` names one file to read in each entry (`/proc/<pid>/stat`). */
export const DirectorySource = Type.Object(
  {
    kind: Type.Literal("directory"),
    path: Template,
    names: Type.Union([Type.Literal("all"), Type.Literal("numeric")]),
    child: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$" })),
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

/** One GET over a unix socket. A query value is a string or a hole. */
export const HttpSource = Type.Object(
  {
    kind: Type.Literal("http"),
    socket: Type.String({ pattern: "^(/[A-Za-z0-9_.@+-]+)+$", maxLength: 100 }),
    path: Template,
    query: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z][A-Za-z0-9_]{0,39}$" }),
        Type.Union([Type.String({ maxLength: 200 }), HoleRef]),
        { additionalProperties: false, maxProperties: 12 },
      ),
    ),
    ...limits,
  },
  closed,
);

export const Source = Type.Union([
  FileSource,
  DirectorySource,
  FilesystemSource,
  ExecSource,
  HttpSource,
]);
export type FileSource = Static<typeof FileSource>;
export type DirectorySource = Static<typeof DirectorySource>;
export type FilesystemSource = Static<typeof FilesystemSource>;
export type ExecSource = Static<typeof ExecSource>;
export type HttpSource = Static<typeof HttpSource>;
export type Source = Static<typeof Source>;
export type SourceKind = Source["kind"];

/** The source kinds that this release can perform. Any other kind is PACK_NEEDS_NEWER_AGENT. */
export const SOURCE_KINDS = Source.anyOf.map(({ properties }) => properties.kind.const);

/** What a person grants. Derived from the sources, except `groups`, which the manifest declares. */
export const Requires = Type.Object(
  {
    groups: Type.Array(Type.String({ pattern: "^[a-z_][a-z0-9_-]{0,31}$" }), { maxItems: 10 }),
    /** `COMMAND ARGUMENTS`, one for each command. */
    commands: Type.Array(Type.String({ maxLength: 600 }), { maxItems: 100 }),
    files: Type.Array(Type.String({ maxLength: 400 }), { maxItems: 400 }),
    /** `SOCKET GET PATH?QUERY`, one for each request. */
    sockets: Type.Array(Type.String({ maxLength: 600 }), { maxItems: 100 }),
  },
  closed,
);
export type Requires = Static<typeof Requires>;

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
  },
  closed,
);
export type Read = Static<typeof Read>;

export const ProbeManifest = Type.Object(
  {
    description: Type.String({ minLength: 10, maxLength: 600, pattern: "\\.$" }),
    kind: Type.Optional(Type.Literal("diagnose")),
    capability: Capability,
    params: ValueSchemaRef,
    result: ValueSchemaRef,
    reads: Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), Read, {
      additionalProperties: false,
      maxProperties: 20,
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
    manifest: Type.Literal(1),
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
  },
  { ...closed, $defs: { ValueSchema: ValueSchemaDefinition } },
);
export type Manifest = Omit<Static<typeof Manifest>, "probes"> & {
  probes: Record<string, ProbeManifest>;
};

const parseShape = buildParser(Manifest, "pack.json", "MANIFEST_INVALID");

/** Checks the shape only. `checkManifest` of trust/pack adds the rules that span fields. */
export const parseManifestShape = (value: unknown): Manifest => parseShape(value);
