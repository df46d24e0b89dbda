export { readGroupNames } from "./group-names.ts";
export { requireUnprivileged } from "./require-unprivileged.ts";
