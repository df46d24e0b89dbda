export { readCapped } from "./read-capped.ts";
export { createTurns } from "./take-turns.ts";
export { buildParser, buildValueChecker, parseJson } from "./validator.ts";
