export { admitPack } from "./admit-pack.ts";
export { followRegistry } from "./follow-registry.ts";
export { admittedFolder, readAdmitted } from "./read-admitted.ts";
