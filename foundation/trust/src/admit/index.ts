export { admitPack } from "./admit-pack.ts";
export { WarmProgram, type WarmLimits } from "./warm-program.ts";
export { createTileReader, fetchCheckpoint, fetchFile } from "./registry-fetch.ts";
export { followRegistry } from "./follow-registry.ts";
export { admittedFolder, readAdmitted, readReadme } from "./read-admitted.ts";
