import type { KeyObject } from "node:crypto";
import type { PackStatement } from "@sonde/schemas/trust";
import { archiveDigest, contentDigest, readArchive } from "@sonde/trust/archive";
import { buildStatement } from "@sonde/trust/pack";
import { signStatement } from "./sign-statement.ts";

/**
 * Builds what a publisher signs for an archive.
 *
 * @param archive bytes of a valid .tgz archive
 * @throws SondeError ARCHIVE_INVALID
 */
export function statementOf(archive: Uint8Array): PackStatement {
  return buildStatement(archiveDigest(archive), contentDigest(readArchive(archive)));
}

/**
 * Signs an archive with a publisher's RSA key.
 *
 * @param key private RSA key, as `createPublisherKey` returns it
 * @returns the Sigstore bundle v0.3 as JSON text, to be published beside the archive
 * @throws SondeError ARCHIVE_INVALID
 */
export function signArchive(archive: Uint8Array, key: KeyObject): string {
  return signStatement(statementOf(archive), key);
}
