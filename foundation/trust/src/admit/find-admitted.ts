import { SondeError } from "@sonde/schemas/errors";
import { type AdmitRequest, type AdmittedPack } from "@sonde/schemas/trust";
import { checkEngine } from "../pack/index.ts";
import { readAdmitted } from "./read-admitted.ts";

/**
 * Looks up an archive by its digest in the store, so that a stored pack is not fetched
 * and verified again. The present policy decides whether its signer still counts.
 *
 * Returns null for a pack that is absent, damaged or no longer trusted; the caller then
 * fetches it. Also returns null for unsigned packs, because they are allowed by where
 * they come from.
 */
export async function findAdmitted(request: AdmitRequest): Promise<AdmittedPack | null> {
  const { storeDir, digest, policy, name, version, agentVersion } = request;
  if (digest === null) return null;
  try {
    const pack = await readAdmitted(storeDir, digest, policy);
    if (pack.signer.kind === "none" || pack.name !== name || pack.version !== version) return null;
    checkEngine(pack.manifest, agentVersion);
    return pack;
  } catch (cause) {
    if (cause instanceof SondeError) return null;
    throw cause;
  }
}
