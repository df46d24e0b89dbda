import { createHash } from "node:crypto";
import type { Digest } from "@sonde/schemas/names";
import type { Tagged } from "@sonde/schemas/tags";
import { asOfNow, authorize, type Principal } from "../../identity/index.ts";
import type { Catalog, CatalogEntry } from "./catalog.ts";

/** Returns the entries that a principal may call on at least one agent. */
export function listVisibleTools(
  catalog: Pick<Catalog, "entries">,
  asking: Principal,
): CatalogEntry[] {
  const principal = asOfNow(asking);
  return [...catalog.entries().values()].filter((entry) => isVisible(entry, principal));
}

/** Returns the archives of which a principal may call a tool. */
export function listVisiblePacks(
  catalog: Pick<Catalog, "entries">,
  asking: Principal,
): ReadonlySet<Digest> {
  const principal = asOfNow(asking);
  const visible = new Set<Digest>();
  for (const { probe, capability, agents } of catalog.entries().values()) {
    for (const { agent, digest } of agents.values()) {
      if (visible.has(digest)) continue;
      const right = { kind: "probe.call" as const, agent, probe, capability };
      if (authorize(principal, right).allowed) visible.add(digest);
    }
  }
  return visible;
}

/**
 * Finds the entry of a tool that is in the principal's own list. A tool of others is not found, so
 * that nobody learns which tools there are.
 */
export function findVisibleTool(
  catalog: Pick<Catalog, "entries">,
  principal: Principal,
  tool: string,
): CatalogEntry | null {
  const entry = catalog.entries().get(tool);
  return entry !== undefined && isVisible(entry, principal) ? entry : null;
}

/** Finds the entry of a tool that a principal may call on this agent. */
export function findOfferedTool(
  catalog: Pick<Catalog, "entries">,
  principal: Principal,
  agent: Tagged,
  tool: string,
): CatalogEntry | null {
  const entry = catalog.entries().get(tool);
  if (entry === undefined || !entry.agents.has(agent.name)) return null;
  const { probe, capability } = entry;
  const right = { kind: "probe.call" as const, agent, probe, capability };
  return authorize(principal, right).allowed ? entry : null;
}

function isVisible({ probe, capability, agents }: CatalogEntry, principal: Principal): boolean {
  return [...agents.values()].some(
    ({ agent }) => authorize(principal, { kind: "probe.call", agent, probe, capability }).allowed,
  );
}

/** Hashes a list of tools, so that only a real change is announced. */
export function hashTools(tools: readonly Pick<CatalogEntry, "definitionSha256">[]): string {
  const hash = createHash("sha256");
  for (const { definitionSha256 } of tools) hash.update(definitionSha256);
  return hash.digest("hex");
}
