import type { Version } from "@sonde/schemas/names";

/** Compared with a pack's `engines.agent` and told to the hub. */
export const AGENT_VERSION: Version = "0.1.0";
