import type { Version } from "./names.ts";

/**
 * The version of this release, which hub, agent, registry and both commands state. It is the one
 * of the root package.json, and a test compares them.
 */
export const RELEASE: Version = "0.1.0";
