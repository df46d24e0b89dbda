export type { Change, HubPack, KnownAgent, Pin } from "./core/facts.ts";
export {
  type GivenGrant,
  type GivenGrants,
  isInForce,
  listGrants,
} from "./core/given-grants.ts";
export { findRefusal, requireReleased } from "./core/require-released.ts";
export { hashSecret } from "./edge/hash-secret.ts";
export { type Directory, openDirectory } from "./edge/open-directory.ts";
export { migrations } from "./migrations.ts";
export { toStorable } from "./edge/to-storable.ts";
