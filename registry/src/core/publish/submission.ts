import type { Principal } from "../authorize.ts";
import type { Digest, PackName, PublisherName, Version } from "@sonde/schemas/names";

/** One upload: the files, the target name and the publisher. Nothing is verified yet. */
export type Submission = {
  /**
   * The archive's file, which stays until the publish ends. Only its bytes were counted and hashed.
   */
  archive: { path: string; sizeBytes: number; digest: Digest };
  bundle: { path: string; text: string };
  /** From the path of the request. */
  name: PackName;
  version: Version;
  /** From the path too. `authorize` checked that the token belongs to this publisher. */
  publisher: PublisherName;
  /** Whose right to publish `authorize` checked, before the upload came. */
  caller: Principal;
};
