export { type Checkpoint, openCheckpoint, signCheckpoint } from "./checkpoint.ts";
export { followLog, type FollowLogRequest, headOf } from "./follow-log.ts";
export {
  appendLeaf,
  decodeFrontier,
  EMPTY_FRONTIER,
  encodeFrontier,
  type Frontier,
  growTree,
  hashLeaf,
  isConsistent,
  rootFromInclusion,
  rootOf,
  type Tree,
} from "./merkle.ts";
export { inconsistent } from "./inconsistent.ts";
export {
  type Cosigned,
  cosignCheckpoint,
  type ForeignCheckpoint,
  isSignedByLog,
  openCosigned,
  readForeignCheckpoint,
} from "./cosignature.ts";
export { formatNoteKey, type NoteKey, parseNoteKey } from "./signed-note.ts";
export {
  encodeEntries,
  foldPerfect,
  listTileHashes,
  maxTileBytes,
  parseTilePath,
  proveConsistency,
  proveInclusion,
  readProvenEntry,
  type ReadTile,
  type TileHash,
  type TileId,
  TILE_WIDTH,
  tilePath,
} from "./tiles.ts";
export { isStopEntry, type StopEntry, whyStopped } from "./withdrawals.ts";
export { chooseVersion, isOlderVersion } from "./choose-version.ts";
