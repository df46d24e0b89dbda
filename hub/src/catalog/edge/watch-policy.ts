import { createHash } from "node:crypto";
import { toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustPolicy } from "@sonde/schemas/trust";
import { readConfiguredText } from "@sonde/service";
import { type AuditStore, buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";

const LOOK_EVERY_MS = 2_000;

/**
 * Records each change of this hub's trust policy: at the start those that happened while it was
 * stopped, then every few seconds. The file itself stays with the administrator; the record has its
 * hash and the publishers that it names.
 *
 * @returns a function that stops it
 */
export async function watchPolicy(
  hub: Pick<Hub, "config" | "auditLog" | "now" | "report">,
  store: Pick<AuditStore, "readPolicyHash">,
): Promise<() => void> {
  const { auditLog, now, report } = hub;
  let known = await store.readPolicyHash();

  async function look(): Promise<void> {
    const text = readConfiguredText(hub.config.trustPolicyPath, "trust policy");
    const sha256 = createHash("sha256").update(text, "utf8").digest("hex");
    if (sha256 === known) return;
    const { code, publishers } = describePolicy(text);
    const previous = known;
    known = sha256;
    const detail = { sha256, previous, publishers };
    try {
      await auditLog.append(buildAuditRecord(now(), "policy.changed", { code, detail }));
    } catch (thrown) {
      // Recorded at the next look.
      known = previous;
      throw thrown;
    }
  }

  await look();
  const timer = setInterval(() => void look().catch(report), LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** A policy that cannot be used is a change too: no pack is verified by it. */
function describePolicy(text: string) {
  try {
    const policy = parseTrustPolicy(parseJson(text, "trust policy", "CONFIG_INVALID"));
    return { code: null, publishers: Object.keys(policy.publishers).sort() };
  } catch (thrown) {
    return { code: toSondeError(thrown).code, publishers: null };
  }
}
