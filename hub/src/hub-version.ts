/** The version this hub tells agents and MCP clients, and holds packs' engine ranges against. */
export const HUB_VERSION = "0.1.0";
