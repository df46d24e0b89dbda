import { SondeError } from "@sonde/schemas/errors";
import { type FollowedRegistry } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import { describePack, fetchLogged, walkLog } from "./walk-registry.ts";

/** What a walk over a whole registry found. */
export type RegistryAudit = {
  /** Of the log that was walked, as its key signed it. */
  head: LogHead;
  at: string;
  archives: number;
  /** Versions that the log itself says are not served; their bytes cannot be compared. */
  withheld: string[];
  /** Each is a version whose archive is not what the log says. */
  problems: { pack: string; code: string; message: string }[];
};

/**
 * Walks a registry's log from its first entry to its signed head, and downloads
 * and reads every archive that was ever published: so anybody can check that
 * what is served is what was logged, without trusting the registry.
 *
 * @param onArchive told of each archive before it is fetched
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID
 */
export async function auditRegistry(
  source: FollowedRegistry,
  onArchive: (done: number, total: number) => void,
): Promise<RegistryAudit> {
  const { head, at, published, isQuarantined } = await walkLog(source);
  const audit: RegistryAudit = { head, at, archives: 0, withheld: [], problems: [] };
  for (const [index, entry] of published.entries()) {
    onArchive(index, published.length);
    const pack = describePack(entry);
    if (isQuarantined(entry)) {
      audit.withheld.push(pack);
      continue;
    }
    audit.archives += 1;
    try {
      await fetchLogged(source.registry, entry);
    } catch (thrown) {
      if (!(thrown instanceof SondeError)) throw thrown;
      audit.problems.push({ pack, code: thrown.code, message: thrown.message });
    }
  }
  return audit;
}
