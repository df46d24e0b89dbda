import type { DesiredStateBody } from "@sonde/schemas/wire";
import type { Pack } from "./pack-state.ts";

type DesiredPack = DesiredStateBody["packs"][number];

export type DesiredPlan = {
  /**
   * The packs that stay or are added, sorted by name. A version in `fetch` is added once
   * admitted.
   */
  packs: Pack[];
  /** The archives to admit. Each becomes its pack's candidate. */
  fetch: DesiredPack[];
};

/**
 * Compares the hub's desired state with the packs on this host. Activates nothing: a new
 * version becomes a candidate, and only a grant on the host puts it into service.
 */
export function planDesiredState(
  present: readonly Pack[],
  desired: readonly DesiredPack[],
): DesiredPlan {
  const wanted = new Map(desired.map((pack) => [pack.name, pack]));
  const here = new Map(present.map((pack) => [pack.name, pack]));
  const plan: DesiredPlan = { packs: [], fetch: [] };
  for (const want of [...wanted.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const pack = here.get(want.name) ?? { name: want.name, current: null, candidate: null };
    const next = aimAt(pack, want);
    plan.packs.push(next);
    const aimed = next.candidate ?? next.current;
    if (aimed?.admitted === null) plan.fetch.push(want);
  }
  return plan;
}

/** Returns the pack with the wanted archive as its current version or its candidate. */
function aimAt(pack: Pack, want: DesiredPack): Pack {
  if (pack.current?.digest === want.digest) return { ...pack, candidate: null };
  if (pack.candidate?.digest === want.digest) return pack;
  const candidate = {
    version: want.version,
    digest: want.digest,
    state: "fetched" as const,
    reason: null,
    admitted: null,
  };
  return { ...pack, candidate };
}
