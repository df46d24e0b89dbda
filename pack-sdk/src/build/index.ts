export { AUTHOR_FOLDER } from "./bundle-pack.ts";
export { buildPack, type BuiltPack } from "./build-pack.ts";
