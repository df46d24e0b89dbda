/** Where a hub answers. */
export type HubEndpoints = {
  /** The agent that `npm start` runs beside the hub; every other one is from a package. */
  agent?: string;
  hubUrl: string;
  mcpUrl: string;
  /** For other machines; undefined when nothing listens for them. */
  publicRegistryUrl?: string;
  publicMcpUrl?: string;
};
