export { readGroupNames } from "./group-names.ts";
export { residentBytes } from "./resident-bytes.ts";
export { readOwnRights, requireUnprivileged } from "./require-unprivileged.ts";
