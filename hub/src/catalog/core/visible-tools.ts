import { createHash } from "node:crypto";
import { authorize, type Principal } from "../../identity/index.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";

/** Returns the entries that a principal may call on at least one agent. */
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

/** Hashes a list of tools, so that only a real change is announced. */
export function hashTools(tools: readonly Pick<CatalogEntry, "definitionSha256">[]): string {
  const hash = createHash("sha256");
  for (const { definitionSha256 } of tools) hash.update(definitionSha256);
  return hash.digest("hex");
}
