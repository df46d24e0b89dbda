import { join } from "node:path";
import type { TrustPolicy } from "@sonde/schemas/trust";
import type { Hub } from "../hub.ts";
import type { RegistryFollower } from "../registry-log/index.ts";
import type { Catalog } from "./core/catalog.ts";
import { type HeldTool, listHeldTools } from "./core/held-tools.ts";
import { createAssignablePacks, type AssignablePacks } from "./edge/assignable-packs.ts";
import { obtainPack } from "./edge/obtain-pack.ts";
import { addPackRoutes } from "./edge/pack-routes.ts";
import { createPackStore, type PackStore } from "./edge/pack-store.ts";
import { addPinRoutes } from "./edge/pin-routes.ts";
import { openCatalog } from "./open-catalog.ts";

export { migrations } from "./migrations.ts";
export { Catalog, type CatalogEntry } from "./core/catalog.ts";
export {
  buildDefinitions,
  OUTPUT_SCHEMA,
  type ToolDefinition,
  withoutAgent,
} from "./core/tool-definition.ts";
export {
  findOfferedTool,
  findVisibleTool,
  hashTools,
  listVisiblePacks,
  listVisibleTools,
} from "./core/visible-tools.ts";
export type { HeldTool } from "./core/held-tools.ts";
export { readPackProof } from "./edge/pack-store.ts";
export { watchPolicy } from "./edge/watch-policy.ts";
export { type AssignablePacks, OBTAIN_ERRORS } from "./edge/assignable-packs.ts";

/** Installs the catalog: verified packs, pins of their tools, and which agents offer them. */
export function installCatalog(
  hub: Hub,
  uses: { registry: RegistryFollower; readPolicy: () => TrustPolicy },
): {
  catalog: Catalog;
  packs: AssignablePacks;
  readReadme: PackStore["readReadme"];
  /** The tools whose words nobody approved. */
  heldTools: () => Promise<HeldTool[]>;
} {
  const { config, directory, now, sql } = hub;
  const catalog = openCatalog(directory);
  const store = createPackStore(sql, directory);
  const packs = createAssignablePacks(
    catalog,
    store,
    () => directory.pins(),
    (name, wanted, agentVersion) =>
      obtainPack(
        {
          policy: uses.readPolicy(),
          registry: uses.registry,
          admitPath: config.admitPath,
          storeDir: join(config.dataDir, "packs"),
          store,
          now,
        },
        name,
        wanted,
        agentVersion,
      ),
  );
  addPinRoutes(hub, catalog, store, packs);
  addPackRoutes(hub);
  return {
    catalog,
    packs,
    readReadme: (digest) => store.readReadme(digest),
    heldTools: async () =>
      listHeldTools(catalog, directory.agents(), directory.packs(), await store.listPins()),
  };
}
