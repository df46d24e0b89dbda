import type { PackName, PublisherName, Version } from "@sonde/schemas";

/** One upload: what was sent, to which name, by whom. Nothing of it is believed yet. */
export type Submission = {
  archive: Uint8Array;
  bundle: string;
  /** From the path of the request. */
  name: PackName;
  version: Version;
  /** Whose name it is; `authorize` saw that the token is this publisher's. */
  publisher: PublisherName;
};
