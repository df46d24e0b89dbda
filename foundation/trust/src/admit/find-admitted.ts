import { SondeError } from "@sonde/schemas/errors";
import { type AdmitRequest, type AdmittedPack } from "@sonde/schemas/trust";
import { checkEngine } from "../pack/index.ts";
import { readAdmitted } from "./read-admitted.ts";

/**
 * What was fetched and verified before needs neither again: the store is asked
 * by the archive's digest, and the signer judged by today's policy. Null for
 * what is absent, damaged or no longer trusted, which is then fetched anew, and
 * for unsigned packs, since where an archive comes from decides about those.
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
