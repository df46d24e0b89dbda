// What packs share to read what was read. No dependency and no Node types: it runs inside the guest.
export { compareText } from "./compare-text.ts";
export { items, members, parseJson, type Members } from "./json.ts";
export { parseCounters, parseFields, splitLines, splitWords } from "./lines.ts";
export { parseNumber } from "./number.ts";
