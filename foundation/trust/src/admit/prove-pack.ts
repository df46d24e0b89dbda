import type { AdmitRequest, LogPlace, PackLogProof, PackProof } from "@sonde/schemas/trust";
import { openCheckpoint, parseNoteKey, proveInclusion } from "../log/index.ts";
import { keyIdOf, parsePublisherKey, type VerifiedPack } from "../pack/index.ts";
import { checkLogged } from "./check-logged.ts";
import { createTileReader, fetchCheckpoint } from "./registry-fetch.ts";

/**
 * Checks that a pack is in the log, as `checkLogged`, and proves that by a head that the log signed.
 *
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, or REGISTRY_UNAVAILABLE
 */
export async function proveLogged(
  request: AdmitRequest,
  place: LogPlace,
  pack: VerifiedPack,
): Promise<PackLogProof> {
  await checkLogged(request, place, pack);
  const { logKey } = request.policy;
  const head = openCheckpoint(await fetchCheckpoint(request), parseNoteKey(logKey));
  const { index, entry } = await checkLogged(request, head, pack);
  const path = await proveInclusion(index, head.size, createTileReader(request));
  return {
    ...{ key: logKey, note: head.note, index },
    entry: Buffer.from(entry).toString("base64"),
    path: path.map((hash) => hash.toString("base64")),
  };
}

/** Null of an archive that nobody signed. */
export function buildProof(
  { policy }: Pick<AdmitRequest, "policy">,
  { signer }: Pick<VerifiedPack, "signer">,
  bundle: string | null,
  log: PackLogProof | null,
): PackProof | null {
  if (bundle === null || signer.kind === "none") return null;
  const key =
    signer.kind === "keyless"
      ? undefined
      : policy.publishers[signer.publisher]?.keys.find(
          ({ publicKey }) => keyIdOf(parsePublisherKey(publicKey)) === signer.keyId,
        );
  return { bundle, publicKey: key?.publicKey ?? null, log };
}
