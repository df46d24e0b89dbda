import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parseJson } from "@sonde/schemas/parse";
import { writePrivateFile } from "./private-file.ts";

/** Both in PEM. */
export type KeptCertificate = { certificate: string; privateKey: string };

/** A certificate is replaced when less than this remains of its lifetime. */
const RENEW_BEFORE_MS = 30 * 24 * 3_600_000;

/**
 * Returns the certificate that is kept in a file if it has exactly these names and enough lifetime,
 * else a new one, which is then kept.
 *
 * @param names DNS names and addresses
 */
export async function openKeptCertificate(
  file: string,
  names: string[],
  now: Date,
  issue: (names: string[]) => Promise<KeptCertificate>,
): Promise<KeptCertificate> {
  if (existsSync(file)) {
    const kept = parseJson(readFileSync(file), file, "STARTING_FAILED") as KeptCertificate & {
      names: string[];
    };
    const expires = new X509Certificate(kept.certificate).validToDate.getTime();
    const lasts = expires - now.getTime() > RENEW_BEFORE_MS;
    if (lasts && kept.names.join() === names.join()) return kept;
  }
  const issued = await issue(names);
  writePrivateFile(file, JSON.stringify({ ...issued, names }));
  return issued;
}
