import type { Digest } from "@sonde/schemas/names";
import {
  RELEASE_PREDICATE_TYPE,
  type ReleaseArtefact,
  type ReleaseStatement,
} from "@sonde/schemas/trust";

const PREFIX = "sha256:";

/** One file of a release with the digest of its bytes. */
export type MeasuredArtefact = ReleaseArtefact & { digest: Digest };

/** Builds the statement that is signed for a release of these files. */
export function buildReleaseStatement(
  version: string,
  files: readonly MeasuredArtefact[],
): ReleaseStatement {
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: files.map(({ file, digest }) => ({
      name: file,
      digest: { sha256: digest.slice(PREFIX.length) },
    })),
    predicateType: RELEASE_PREDICATE_TYPE,
    predicate: { version, artefacts: files.map(({ digest: _digest, ...artefact }) => artefact) },
  };
}

/**
 * Joins each artefact of a statement with its digest.
 *
 * @returns null unless subjects and artefacts are the same files in the same order, each once, and
 *   all of the release's version
 */
export function readArtefacts(statement: ReleaseStatement): MeasuredArtefact[] | null {
  const { subject, predicate } = statement;
  const files = subject.map(({ name }) => name);
  const isSame =
    predicate.artefacts.length === files.length &&
    predicate.artefacts.every(
      ({ file, version }, index) => file === files[index] && version === predicate.version,
    );
  if (!isSame || new Set(files).size !== files.length) return null;
  return predicate.artefacts.map((artefact, index) => ({
    ...artefact,
    digest: `${PREFIX}${subject[index]?.digest.sha256}`,
  }));
}
