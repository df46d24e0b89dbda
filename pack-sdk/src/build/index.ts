export { GUEST_MODULES } from "./bundle-pack.ts";
export { buildPack, type BuiltPack } from "./build-pack.ts";
