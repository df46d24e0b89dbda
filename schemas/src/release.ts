import type { Version } from "./names.ts";

/**
 * The version of this release, which hub, agent, registry and both commands report. It equals the
 * version in the root package.json; a test compares them.
 */
export const RELEASE: Version = "0.1.0";
