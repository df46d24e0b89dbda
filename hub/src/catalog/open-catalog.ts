import type { Directory } from "../directory/index.ts";
import { Catalog } from "./core/catalog.ts";

/** Opens the catalog of the directory's facts and keeps it up to date. */
export function openCatalog(
  directory: Pick<Directory, "agents" | "agentById" | "packs" | "pins" | "onChange">,
): Catalog {
  const catalog = new Catalog(directory);
  for (const agent of directory.agents()) catalog.setAgent(agent);
  directory.onChange(({ kind, id }) => {
    if (kind === "pack") catalog.setPack(id);
    if (kind === "pin") catalog.setPin(id);
    if (kind !== "agent") return;
    const agent = directory.agentById(id);
    if (agent === undefined) catalog.removeAgent(id);
    else catalog.setAgent(agent);
  });
  return catalog;
}
