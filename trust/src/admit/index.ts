export { admitPack } from "./admit-pack.ts";
export { admittedFolder, readAdmitted } from "./read-admitted.ts";
