/** The type of a hole, from a closed vocabulary without patterns. */
export type HoleType =
  | { type: "integer"; minimum: number; maximum: number }
  | { type: "enum"; values: string[] }
  | { type: "boolean" }
  | { type: "hostname" }
  | { type: "unit-name" }
  | { type: "container-name" }
  | { type: "path-beneath"; root: string };

/** A typed gap in a source, written in place of a value. */
export type Hole = { readonly hole: string; readonly holeType: HoleType };

/** Each function takes the hole's name, by which a read fills it. */
export const hole = {
  integer: (name: string, range: { minimum: number; maximum: number }): Hole =>
    gap(name, { type: "integer", ...range }),
  enumOf: (name: string, values: readonly string[]): Hole =>
    gap(name, { type: "enum", values: [...values] }),
  boolean: (name: string): Hole => gap(name, { type: "boolean" }),
  hostname: (name: string): Hole => gap(name, { type: "hostname" }),
  unitName: (name: string): Hole => gap(name, { type: "unit-name" }),
  containerName: (name: string): Hole => gap(name, { type: "container-name" }),
  pathBeneath: (name: string, root: string): Hole => gap(name, { type: "path-beneath", root }),
};

function gap(name: string, holeType: HoleType): Hole {
  return { hole: name, holeType };
}

export type SourceKind = "file" | "directory" | "filesystem" | "exec" | "http";

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

  /** The names in a directory. `child` is one file to read in each entry. */
  directory: <const S extends Samples | undefined = NoSamples>(
    options: {
      path: Parts;
      names?: "all" | "numeric";
      child?: string;
      maxEntries?: number;
    } & Limits<S>,
  ): Source<"directory", CountOf<S>> =>
    declare(
      "directory",
      { names: "all", maxEntries: 1000, timeoutMs: 3000, maxBytes: 1048576 },
      options,
    ),

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

  /** One GET over a unix socket. */
  http: <const S extends Samples | undefined = NoSamples>(
    options: { socket: string; path: Parts; query?: Record<string, string | Hole> } & Limits<S>,
  ): Source<"http", CountOf<S>> => declare("http", { timeoutMs: 5000, maxBytes: 1048576 }, options),
};

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
