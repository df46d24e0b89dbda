import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ServerTls, openKeptCertificate, writePrivateFile } from "@sonde/service";

/** `authority` is the one that it descends from, in PEM. */
export type OwnCertificate = ServerTls & { authority: string };

/**
 * Opens the registry's certificate for other machines. Its authority is the registry's own and
 * issues nothing else: a registry may have no hub, and serves many.
 *
 * @param folder of the authority's key and the certificate, made at the first call
 * @param names DNS names and addresses that the certificate has
 */
export async function openOwnCertificate(
  folder: string,
  names: string[],
  now: Date,
): Promise<OwnCertificate> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [authorityFile, keyFile] = [join(folder, "ca.pem"), join(folder, "ca-key.pem")];
  // Loaded when a certificate is made: the X.509 library is large.
  if (!existsSync(authorityFile)) {
    const { createAuthority } = await import("@sonde/trust/ca");
    const made = await createAuthority("Sonde registry", now);
    // The certificate is written last, so an interrupted first start is repeated whole.
    writePrivateFile(keyFile, made.privateKey);
    writePrivateFile(authorityFile, made.certificate);
  }
  const authority = readFileSync(authorityFile, "utf8");
  const kept = await openKeptCertificate(join(folder, "server.json"), names, now, async () => {
    const { openAuthority } = await import("@sonde/trust/ca");
    const files = { certificate: authority, privateKey: readFileSync(keyFile, "utf8") };
    return (await openAuthority(files, () => now)).issueServerCertificate(names);
  });
  return {
    certificate: `${kept.certificate}\n${authority}`,
    privateKey: kept.privateKey,
    minVersion: "TLSv1.2",
    authority,
  };
}
