import { type KeyObject, sign } from "node:crypto";
import { bundleToJSON, toDSSEBundle } from "@sigstore/bundle";
import { archiveDigest, contentDigest, readArchive } from "@sonde/trust/archive";
import { dssePae } from "@sonde/trust/envelope";
import { STATEMENT_PAYLOAD_TYPE, buildStatement, keyIdOf } from "@sonde/trust/pack";

/**
 * Signs an archive with a publisher's RSA key.
 *
 * @param archive bytes of a valid .tgz archive
 * @param key private RSA key, as `createPublisherKey` returns it
 * @returns the Sigstore bundle v0.3 as JSON text, to be published beside the archive
 * @throws SondeError ARCHIVE_INVALID
 */
export function signArchive(archive: Uint8Array, key: KeyObject): string {
  const statement = buildStatement(archiveDigest(archive), contentDigest(readArchive(archive)));
  const payload = Buffer.from(JSON.stringify(statement), "utf8");
  const bundle = toDSSEBundle({
    artifact: payload,
    artifactType: STATEMENT_PAYLOAD_TYPE,
    signature: sign("sha256", dssePae(STATEMENT_PAYLOAD_TYPE, payload), key),
    keyHint: keyIdOf(key),
  });
  return `${JSON.stringify(bundleToJSON(bundle), null, 2)}\n`;
}
