import type { Digest, PackName, PublisherName, Version } from "@sonde/schemas/names";

/** One upload: what was sent, to which name, by whom. Nothing of it is believed yet. */
export type Submission = {
  /** The archive as it lies on disk until the publish has ended. Only its bytes were counted and hashed. */
  archive: { path: string; sizeBytes: number; digest: Digest };
  bundle: { path: string; text: string };
  /** From the path of the request. */
  name: PackName;
  version: Version;
  /** Whose name it is; `authorize` saw that the token is this publisher's. */
  publisher: PublisherName;
};
