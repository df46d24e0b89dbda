import { SondeError } from "@sonde/schemas/errors";
import { type FollowedRegistry } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import { describePack, fetchLogged, walkLog } from "./walk-registry.ts";

/** Result of an audit of a whole registry. */
export type RegistryAudit = {
  /** Size and root of the audited log, as its key signed them. */
  head: LogHead;
  at: string;
  archives: number;
  /**
   * Versions that the log withdraws. The registry does not serve them, so their bytes cannot be
   * compared.
   */
  withheld: string[];
  /** Versions whose archive differs from the log. */
  problems: { pack: string; code: string; message: string }[];
};

/**
 * Audits a registry without trusting it: reads its log from the first entry to the signed head,
 * then downloads every archive and compares it with the log.
 *
 * @param onArchive called before each archive is fetched
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
      await fetchLogged(source, entry);
    } catch (thrown) {
      if (!(thrown instanceof SondeError)) throw thrown;
      audit.problems.push({ pack, code: thrown.code, message: thrown.message });
    }
  }
  return audit;
}
