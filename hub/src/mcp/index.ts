import { RELEASE } from "@sonde/schemas/release";
import type { CallPorts } from "../calls/index.ts";
import type { Catalog } from "../catalog/index.ts";
import type { Hub } from "../hub.ts";
import { type McpEndpoint, addMcpEndpoint } from "./edge/mcp-endpoint.ts";

/** Debounce: changes that come together, such as a fleet that starts, are announced once. */
const ANNOUNCE_AFTER_MS = 50;

/** Installs `/mcp`, which offers the catalog as tools. */
export function installMcp(hub: Hub, uses: { calls: CallPorts; catalog: Catalog }): McpEndpoint {
  const mcp = addMcpEndpoint(
    hub.app,
    { ...uses.calls, directory: hub.directory, links: hub.links },
    RELEASE,
  );
  let announcing: NodeJS.Timeout | null = null;
  uses.catalog.onChange(() => {
    announcing ??= setTimeout(() => {
      announcing = null;
      mcp.announceChanges();
    }, ANNOUNCE_AFTER_MS);
  });
  hub.onStop(async () => {
    if (announcing !== null) clearTimeout(announcing);
    await mcp.close();
  });
  return mcp;
}
