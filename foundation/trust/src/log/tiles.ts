import { inconsistent } from "./inconsistent.ts";
import {
  type NodeId,
  consistencyPath,
  coverRange,
  hashLeaf,
  hashNode,
  inclusionPath,
  rootFromInclusion,
  type Tree,
} from "./merkle.ts";

// A log served as static files (C2SP tlog-tiles). `tile/L/N` holds 256 hashes,
// `tile/entries/N` the 256 entries beneath a tile of level 0.

/** Number of hashes or entries in a full tile. */
export const TILE_WIDTH = 256;
/** Number of tree levels in one tile. */
const TILE_LEVELS = 8;
const HASH_BYTES = 32;
/** Largest entry: the bundle's length prefix has two bytes. */
const MAX_ENTRY_BYTES = 65_535;

/** One file of the log. `level` null means entries. `width` is 256 for a full tile. */
export type TileId = {
  readonly level: number | null;
  readonly index: number;
  readonly width: number;
};

/** Largest size of a valid file of that name. */
export function maxTileBytes({ level, width }: TileId): number {
  return width * (level === null ? 2 + MAX_ENTRY_BYTES : HASH_BYTES);
}

/** Path below the log's address, without a leading slash. */
export function tilePath({ level, index, width }: TileId): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0");
  const parts = digits.match(/.{3}/g) ?? [];
  const name = parts.map((part, place) => (place < parts.length - 1 ? `x${part}` : part)).join("/");
  return `tile/${level ?? "entries"}/${name}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** Returns the tile of that path, or null when the path is not canonical. */
export function parseTilePath(path: string): TileId | null {
  const [, levelText, indexText, widthText] =
    /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(
      path,
    ) ?? [];
  if (levelText === undefined || indexText === undefined) return null;
  const id = {
    level: levelText === "entries" ? null : Number(levelText),
    index: Number(indexText.replaceAll(/[x/]/g, "")),
    width: widthText === undefined ? TILE_WIDTH : Number(widthText),
  };
  return tilePath(id) === path && id.width <= TILE_WIDTH ? id : null;
}

/** Returns the tile in a log of `size` entries, full or partial; null when it would be empty. */
export function tileAt(level: number | null, index: number, size: number): TileId | null {
  const hashes = Math.floor(size / TILE_WIDTH ** (level ?? 0));
  const width = Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH);
  return width > 0 ? { level, index, width } : null;
}

/** A hash of a tile: `index` counts those of its level. */
export type TileHash = { readonly level: number; readonly index: number; readonly hash: Buffer };

/**
 * Lists the hashes of tiles among the nodes that a leaf completed: those of every eighth level.
 *
 * @param index of the leaf
 * @param completed as `growTree` gives them
 */
export function listTileHashes(index: number, completed: readonly Buffer[]): TileHash[] {
  return completed.flatMap((hash, height) =>
    height % TILE_LEVELS === 0
      ? [{ level: height / TILE_LEVELS, index: Math.floor(index / 2 ** height), hash }]
      : [],
  );
}

/** @throws RangeError for an entry above MAX_ENTRY_BYTES */
export function encodeEntries(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      if (entry.length > MAX_ENTRY_BYTES) throw new RangeError("the entry is too long for a log");
      return [Uint8Array.of(entry.length >> 8, entry.length & 255), entry];
    }),
  );
}

/** @throws SondeError REGISTRY_LOG_INCONSISTENT unless the bundle has exactly `width` entries */
export function decodeEntries(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= bytes.length && entries.length < width) {
    const end = at + 2 + ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length === width && at === bytes.length) return entries;
  throw inconsistent(`expected ${width} whole entries, got others`);
}

/** Fetches one file of the log, or throws. The bytes are not verified. */
export type ReadTile = (id: TileId) => Promise<Uint8Array>;

/**
 * Reads the entry at `index` and proves that it is in the tree of that size and root. The
 * hashes come from the log and count only if they lead to the root.
 *
 * @throws SondeError REGISTRY_LOG_INCONSISTENT when the entry is not in the tree
 */
export async function readProvenEntry(
  index: number,
  tree: Tree,
  readTile: ReadTile,
): Promise<Uint8Array> {
  const id = tileAt(null, Math.floor(index / TILE_WIDTH), tree.size);
  if (index < 0 || index >= tree.size || id === null) {
    throw inconsistent(`expected an entry below ${tree.size}, got ${index}`);
  }
  const entry = decodeEntries(await readTile(id), id.width)[index % TILE_WIDTH];
  if (entry === undefined) throw inconsistent(`expected entry ${index}, got none`);
  const proof = await proveInclusion(index, tree.size, readTile);
  const root = rootFromInclusion(hashLeaf(entry), index, tree.size, proof);
  if (root?.equals(tree.root)) return entry;
  throw inconsistent(`expected entry ${index} to be in the log, got a proof of another tree`);
}

/** Builds the proof that the leaf at `index` is in the tree of that size (RFC 9162, 2.1.3.1). */
export function proveInclusion(index: number, size: number, readTile: ReadTile): Promise<Buffer[]> {
  return hashRanges(inclusionPath(index, size), size, readTile);
}

/** Builds the proof that the tree of `size` begins with the tree of `from` (RFC 9162, 2.1.4.1). */
export function proveConsistency(
  from: number,
  size: number,
  readTile: ReadTile,
): Promise<Buffer[]> {
  return hashRanges(consistencyPath(from, size), size, readTile);
}

async function hashRanges(
  ranges: readonly { start: number; end: number }[],
  size: number,
  readTile: ReadTile,
): Promise<Buffer[]> {
  const tiles = new Map<string, Promise<Buffer[]>>();
  return await Promise.all(
    ranges.map(async ({ start, end }) => {
      const nodes = await Promise.all(
        coverRange(start, end).map((node) => readNode(node, size, readTile, tiles)),
      );
      return nodes.reduceRight((right, left) => hashNode(left, right));
    }),
  );
}

/** Returns the hash of a perfect subtree, from the tile that holds it or its descendants. */
async function readNode(
  { level, index }: NodeId,
  size: number,
  readTile: ReadTile,
  tiles: Map<string, Promise<Buffer[]>>,
): Promise<Buffer> {
  const tileLevel = Math.floor(level / TILE_LEVELS);
  const span = 2 ** (level % TILE_LEVELS);
  const id = tileAt(tileLevel, Math.floor((index * span) / TILE_WIDTH), size);
  if (id === null) throw inconsistent("expected a tile of the log, got none");
  const path = tilePath(id);
  const known = tiles.get(path) ?? readTile(id).then((bytes) => decodeTile(bytes, id.width));
  tiles.set(path, known);
  const first = (index * span) % TILE_WIDTH;
  const hashes = (await known).slice(first, first + span);
  if (hashes.length !== span) throw inconsistent("expected a wider tile, got a narrower one");
  return foldPerfect(hashes);
}

/** Returns the root of a perfect tree over these hashes; their number is a power of two. */
export function foldPerfect(hashes: readonly Buffer[]): Buffer {
  let row = hashes;
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, pair) =>
      hashNode(row[2 * pair] as Buffer, row[2 * pair + 1] as Buffer),
    );
  }
  return row[0] as Buffer;
}

function decodeTile(bytes: Uint8Array, width: number): Buffer[] {
  if (bytes.length !== width * HASH_BYTES) {
    throw inconsistent(`expected a tile of ${width} hashes, got ${bytes.length} bytes`);
  }
  return Array.from({ length: width }, (_, place) =>
    Buffer.from(bytes.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES)),
  );
}
