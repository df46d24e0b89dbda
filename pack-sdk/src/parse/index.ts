// Parsers that packs share. They have no dependency and no Node types, because they run inside the
// guest.
export { compareText } from "./compare-text.ts";
export { items, members, parseJson, type Members } from "./json.ts";
export { parseCounters, parseFields, splitLines, splitWords } from "./lines.ts";
export { parseNumber } from "./number.ts";
export { numberOf, type Row, secondsOf, textOf } from "./rows.ts";
export { type LeftOut, maskStatement } from "./statements.ts";
export { countHeldUp, longestOf } from "./waits.ts";
