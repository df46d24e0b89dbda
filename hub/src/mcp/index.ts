import { RELEASE } from "@sonde/schemas/release";
import type { LogReader } from "../audit/index.ts";
import type { CallPorts } from "../calls/index.ts";
import type { Catalog } from "../catalog/index.ts";
import type { Hub } from "../hub.ts";
import { createKeptPages } from "./edge/kept-pages.ts";
import { type McpEndpoint, type StepUpChallenge, addMcpEndpoint } from "./edge/mcp-endpoint.ts";
import type { ResourcePorts } from "./edge/pack-resources.ts";
import { openPackUses } from "./edge/pack-uses.ts";
import { readViews } from "./edge/read-views.ts";
import { addToolRoutes } from "./edge/tool-routes.ts";

export { migrations } from "./migrations.ts";

/** Debounce: changes that come together, such as a fleet that starts, are announced once. */
const ANNOUNCE_AFTER_MS = 50;
/** Deletes old pages, and counts uses. */
const TEND_EVERY_MS = 60_000;
/** Tools in the list of a key, unless the configuration says otherwise. */
const MAX_LISTED = 40;

/** Installs `/mcp`, which offers the catalog as tools, and the same tools over REST. */
export async function installMcp(
  hub: Hub,
  uses: {
    calls: CallPorts;
    catalog: Catalog;
    logReader: LogReader;
    readReadme: ResourcePorts["readReadme"];
    challenge: StepUpChallenge;
  },
): Promise<McpEndpoint> {
  const keptPages = createKeptPages(hub.sql, hub.now);
  const packUses = await openPackUses(hub.sql, hub.now);
  const ports = {
    ...uses.calls,
    ...{
      directory: hub.directory,
      links: hub.links,
      logReader: uses.logReader,
      checkpoints: hub.checkpoints,
      readReadme: uses.readReadme,
    },
    ...{ keptPages, packUses, views: readViews(process.argv[1] ?? "") },
    maxListed: () => hub.config.maxListedTools ?? MAX_LISTED,
  };
  const mcp = addMcpEndpoint(hub.app, ports, RELEASE, uses.challenge);
  addToolRoutes(hub, ports);
  const tending = setInterval(() => {
    keptPages.expire().catch(hub.report);
    packUses.refresh().then(() => mcp.announceChanges(), hub.report);
  }, TEND_EVERY_MS);
  let announcing: NodeJS.Timeout | null = null;
  const announceSoon = (): void => {
    announcing ??= setTimeout(() => {
      announcing = null;
      mcp.announceChanges();
    }, ANNOUNCE_AFTER_MS);
  };
  uses.catalog.onChange(announceSoon);
  hub.directory.onChange(({ kind }) => {
    if (kind === "policy" || kind === "holder") announceSoon();
  });
  hub.onStop(async () => {
    clearInterval(tending);
    if (announcing !== null) clearTimeout(announcing);
    await mcp.close();
    await packUses.refresh().catch(hub.report);
  });
  return mcp;
}
