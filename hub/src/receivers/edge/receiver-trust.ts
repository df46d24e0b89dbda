import { createSecureContext } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import { readConfiguredText, type TlsFiles } from "@sonde/service";
import { readSecret } from "./private-file.ts";

/** How a receiver is known, and how the hub shows who it is. Members of the options of `node:tls`. */
export type ReceiverTrust = { ca?: string; cert?: string; key?: string; minVersion: "TLSv1.2" };

/**
 * Reads the files that a sink names for TLS. They are read for each connection, so a renewed
 * certificate counts without a reload.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readReceiverTrust(files: {
  caPath?: string | undefined;
  tls?: TlsFiles | undefined;
}): ReceiverTrust {
  const { caPath, tls } = files;
  const trust: ReceiverTrust = {
    minVersion: "TLSv1.2",
    ...(caPath !== undefined && { ca: readConfiguredText(caPath, "certificate of an authority") }),
    ...(tls !== undefined && {
      cert: readConfiguredText(tls.certificatePath, "certificate"),
      key: readSecret(tls.privateKeyPath, "private key"),
    }),
  };
  // A file without any certificate would be no authority at all, and says nothing by itself.
  if (trust.ca !== undefined && !trust.ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new SondeError("CONFIG_INVALID", `${caPath}: expected certificates in PEM`);
  }
  try {
    createSecureContext(trust);
  } catch {
    const named = [caPath, tls?.certificatePath, tls?.privateKeyPath].filter(Boolean).join(", ");
    throw new SondeError(
      "CONFIG_INVALID",
      `${named}: expected PEM files, and a key that belongs to its certificate`,
    );
  }
  return trust;
}
