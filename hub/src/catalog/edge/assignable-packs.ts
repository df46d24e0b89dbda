import type { PackName, Version } from "@sonde/schemas/names";
import type { HubPack } from "../../directory/index.ts";
import type { Catalog } from "../core/catalog.ts";
import type { PackStore } from "./pack-store.ts";

/** Packs that can be assigned to agents. */
export type AssignablePacks = {
  /**
   * Fetches the version that `wanted` resolves to, verifies it by this hub's policy and stores it.
   *
   * @param wanted a version, or a range such as `^1`
   * @param agentVersion version of the agent that gets the pack; null when unknown
   * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND or the verifier's code
   */
  obtain(name: PackName, wanted: string, agentVersion: Version | null): Promise<HubPack>;
  /** Approves the pack's words that have no pin yet. */
  approveNewTools(pack: HubPack, by: string, at: Date): Promise<void>;
  /** Approves all words of the pack. Replaces earlier pins. */
  approveTools(pack: HubPack, by: string, at: Date): Promise<void>;
};

export function createAssignablePacks(
  catalog: Catalog,
  store: PackStore,
  pins: () => ReadonlyMap<string, unknown>,
  obtain: AssignablePacks["obtain"],
): AssignablePacks {
  const approve = async (pack: HubPack, by: string, at: Date, replace: boolean) => {
    const wanted = catalog
      .wordsOf(pack)
      .filter(({ probe }) => replace || !pins().has(probe))
      .map(({ probe, definitionSha256 }) => ({ probe, definitionSha256, packDigest: pack.digest }));
    await store.pinTools(wanted, by, at, replace);
  };
  return {
    obtain,
    approveNewTools: (pack, by, at) => approve(pack, by, at, false),
    approveTools: (pack, by, at) => approve(pack, by, at, true),
  };
}
