import { type Digest } from "@sonde/schemas/names";
import { PACK_PREDICATE_TYPE, type PackStatement } from "@sonde/schemas/trust";

/** A larger bundle is refused unread. */
export const MAX_BUNDLE_BYTES = 64 * 1024;

/** DSSE payload type of an in-toto statement. */
export const STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json";

const PREFIX = "sha256:";

/** Builds the statement that a publisher signs for an archive with these digests. */
export function buildStatement(archive: Digest, content: Digest): PackStatement {
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "archive", digest: { sha256: archive.slice(PREFIX.length) } },
      { name: "content", digest: { sha256: content.slice(PREFIX.length) } },
    ],
    predicateType: PACK_PREDICATE_TYPE,
    predicate: {},
  };
}
