import { createHash } from "node:crypto";
import { authorize, type Principal } from "../../identity/index.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";

/** The entries that a principal may call on at least one agent: what its list shows. */
export function listVisibleTools(
  catalog: Pick<Catalog, "entries">,
  principal: Principal,
): CatalogEntry[] {
  return [...catalog.entries().values()].filter(({ probe, capability, agents }) =>
    [...agents.keys()].some(
      (agent) => authorize(principal, { kind: "probe.call", agent, probe, capability }).allowed,
    ),
  );
}

/** Identifies a list of tools, so that only a real change is announced. */
export function hashTools(tools: readonly Pick<CatalogEntry, "definitionSha256">[]): string {
  const hash = createHash("sha256");
  for (const { definitionSha256 } of tools) hash.update(definitionSha256);
  return hash.digest("hex");
}
