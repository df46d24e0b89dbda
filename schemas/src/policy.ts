import { type Static, Type } from "typebox";

/**
 * What people are on a hub, from the most rights to the fewest. `client` is what a key or an OAuth
 * client is that only calls. `hub/src/identity/core/authorize.ts` has the rights of each.
 */
export const Role = Type.Enum(["owner", "admin", "operator", "auditor", "member", "client"]);
export type Role = Static<typeof Role>;
