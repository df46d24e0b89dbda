import { createHash } from "node:crypto";
import type { Digest } from "@sonde/schemas/names";
import type { GuestInput } from "@sonde/schemas/reads";

/** A guest's input as it is sent, and what of it each read is. */
export type EncodedInput = {
  /** A GuestInput as JSON in UTF-8. */
  bytes: Uint8Array;
  /** SHA-256 of the JSON of each outcome, by the name of its read. */
  digests: ReadonlyMap<string, Digest>;
  /** The JSON of all outcomes, as it stands in `bytes`. */
  readsText: string;
};

/** Encodes a guest's input, with each outcome serialised once. */
export function encodeGuestInput({ params, reads, now }: GuestInput): EncodedInput {
  const digests = new Map<string, Digest>();
  const members = Object.entries(reads).map(([name, outcome]) => {
    const text = JSON.stringify(outcome);
    digests.set(name, `sha256:${createHash("sha256").update(text).digest("hex")}`);
    return `${JSON.stringify(name)}:${text}`;
  });
  const readsText = `{${members.join(",")}}`;
  const text = `{"params":${JSON.stringify(params)},"reads":${readsText},"now":${now}}`;
  return { bytes: Buffer.from(text, "utf8"), digests, readsText };
}
