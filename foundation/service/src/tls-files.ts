import { statSync } from "node:fs";
import type { Server } from "node:tls";
import { type Static, Type } from "typebox";
import { readConfiguredText } from "./configured-file.ts";
import type { ServerTls } from "./http-server.ts";
import type { Report } from "./logger.ts";

const LOOK_EVERY_MS = 2_000;

/** Where an operator's own certificate is: paths of PEM files. */
export const TlsFiles = Type.Object(
  { certificatePath: Type.String({ minLength: 1 }), privateKeyPath: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
);
export type TlsFiles = Static<typeof TlsFiles>;

/**
 * Reads an operator's own certificate, with those between it and its authority, and its key.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readTlsFiles({ certificatePath, privateKeyPath }: TlsFiles): ServerTls {
  return {
    certificate: readConfiguredText(certificatePath, "certificate"),
    privateKey: readConfiguredText(privateKeyPath, "private key"),
    minVersion: "TLSv1.2",
  };
}

/**
 * Lets a listener take a renewed certificate of these files without a restart, within seconds. Open
 * connections keep the one that they began with. Files that do not fit together are reported, and the
 * present certificate stays: whoever renews it replaces two files, one after the other.
 *
 * @returns ends that
 */
export function followTlsFiles(server: Server, files: TlsFiles, report: Report): () => void {
  let seen = stampOf(files);
  const timer = setInterval(() => {
    try {
      const stamp = stampOf(files);
      if (stamp === seen) return;
      seen = stamp;
      const { certificate, privateKey, minVersion } = readTlsFiles(files);
      // Throws for a key that is not the certificate's.
      server.setSecureContext({ cert: certificate, key: privateKey, minVersion });
    } catch (thrown) {
      report(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Changes with each write and each replacement of a file. A missing file is a change as well. */
function stampOf({ certificatePath, privateKeyPath }: TlsFiles): string {
  const stamps = [certificatePath, privateKeyPath].map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? "none" : `${found.ino} ${found.mtimeMs} ${found.size}`;
  });
  return stamps.join(", ");
}
