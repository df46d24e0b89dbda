import type { ErrorCode } from "@sonde/schemas/errors";
import type { PackName, Version } from "@sonde/schemas/names";
import type { HubPack } from "../../directory/index.ts";
import type { Catalog } from "../core/catalog.ts";
import type { PackStore } from "./pack-store.ts";

/** By what a pack is refused that a registry should give: what fetching and verifying may say. */
export const OBTAIN_ERRORS = [
  ...["NOT_FOUND", "REGISTRY_UNAVAILABLE", "REGISTRY_LOG_INCONSISTENT", "VERSION_QUARANTINED"],
  ...["ARCHIVE_INVALID", "MANIFEST_INVALID", "REQUIRES_MISMATCH", "DIGEST_MISMATCH"],
  ...["SIGNATURE_MISSING", "SIGNATURE_INVALID", "SIGNER_UNTRUSTED", "CODE_REFUSED"],
  ...["PACK_QUARANTINED", "PACK_NEEDS_NEWER_AGENT", "CONFIG_INVALID"],
] as ErrorCode[];

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
