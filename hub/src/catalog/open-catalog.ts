import type { Directory } from "../directory/index.ts";
import { Catalog } from "./core/catalog.ts";

/** The catalog of what the directory knows, now and after each change. */
export function openCatalog(
  directory: Pick<Directory, "agents" | "agentById" | "packs" | "pins" | "onChange">,
): Catalog {
  const catalog = new Catalog(directory);
  for (const agent of directory.agents()) catalog.setAgent(agent);
  directory.onChange(({ kind, id }) => {
    if (kind === "pack") catalog.setPack(id);
    if (kind === "pin") catalog.setPin(id);
    const agent = kind === "agent" ? directory.agentById(id) : undefined;
    if (agent !== undefined) catalog.setAgent(agent);
  });
  return catalog;
}
