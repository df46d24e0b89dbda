export { canonicalJson, chainRecord, EMPTY_HEAD, headAfter, verifyChain } from "./chain.ts";
export { type Checkpoint, openCheckpoint, signCheckpoint } from "./checkpoint.ts";
export { followLog, type FollowLogRequest, headOf, MAX_HEAD_AGE_MS } from "./follow-log.ts";
export {
  appendLeaf,
  EMPTY_FRONTIER,
  type Frontier,
  frontierLength,
  growTree,
  hashLeaf,
  rootOf,
} from "./merkle.ts";
export { formatNoteKey, type NoteKey, parseNoteKey } from "./signed-note.ts";
export {
  encodeEntries,
  foldPerfect,
  MAX_ENTRY_BYTES,
  parseTilePath,
  readProvenEntry,
  type ReadTile,
  type TileId,
  TILE_LEVELS,
  tilePath,
} from "./tiles.ts";
