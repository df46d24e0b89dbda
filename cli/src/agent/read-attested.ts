import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readOwnedFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type LogHead, parseAttestedHead } from "@sonde/schemas/wire";
import { readAttestedHead } from "@sonde/trust/envelope";

/** The hub's newest word on a log, or why there is none that counts. */
export type Attested = { head: LogHead; at: string; keyId: Digest } | { none: string };

const MAX_BYTES = 64 * 1024;

/** @param folder the folder of an agent's audit log */
export function readAttested(folder: string): Attested {
  const path = join(folder, "attested.json");
  if (!existsSync(path)) return { none: "no hub has confirmed an entry to this agent yet" };
  try {
    const bytes = readOwnedFile(path, [0, statSync(folder).uid], MAX_BYTES);
    const { head, at, keyId } = readAttestedHead(
      parseAttestedHead(parseJson(bytes, path, "AUDIT_UNAVAILABLE")),
    );
    return { head, at: new Date(at).toISOString(), keyId };
  } catch (thrown) {
    if (thrown instanceof SondeError)
      return { none: `attested.json does not count: ${thrown.message}` };
    throw thrown;
  }
}
