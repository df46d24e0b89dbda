import { createPublicKey, type KeyObject } from "node:crypto";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { KeySet } from "@sonde/schemas/wire";
import { type Checkpoint, openCheckpoint } from "../log/checkpoint.ts";
import { hashLeaf, isConsistent, type Tree } from "../log/merkle.ts";
import type { NoteKey } from "../log/signed-note.ts";

// The Merkle log over a hub's audit log. Its leaves are the hashes of the chain's entries, 32 bytes
// each, so a proof stays whole when the content of an entry is dropped.

/** The name of a hub's log: the origin of its checkpoints. */
export function hubLogName(hubId: string): string {
  return `sonde.hub/${hubId}`;
}

/** The key of the hub's checkpoints, under the name of its log. */
export function hubLogKey(hubId: string, publicKey: KeyObject): NoteKey {
  return { name: hubLogName(hubId), publicKey };
}

/** The leaf of an entry: of its hash in the chain. */
export function hubLogLeaf(hash: Digest): Buffer {
  return hashLeaf(Buffer.from(hash.slice("sha256:".length), "hex"));
}

/**
 * Reads a checkpoint of a hub's audit log that one of these keys signed.
 *
 * @throws SondeError HUB_UNTRUSTED for any other text
 */
export function openHubCheckpoint(
  note: string,
  { hubId, auditKeys }: Pick<KeySet, "hubId" | "auditKeys">,
): Checkpoint {
  const keys = (auditKeys ?? []).map(({ publicKey }) => createPublicKey(publicKey));
  let why = "expected a hub with an audit key, got none";
  for (const key of keys) {
    try {
      return openCheckpoint(note, hubLogKey(hubId, key));
    } catch (thrown) {
      why = toSondeError(thrown).message;
    }
  }
  throw new SondeError("HUB_UNTRUSTED", why);
}

/**
 * Demands that a hub's log begins with what was seen of it.
 *
 * @param proof as in RFC 9162, 2.1.4.1
 * @throws SondeError HUB_ROLLED_BACK when it does not: it was cut, rewritten, or there are two
 */
export function demandGrowth(seen: Tree, now: Tree, proof: readonly Buffer[]): void {
  if (now.size < seen.size) {
    throw new SondeError(
      "HUB_ROLLED_BACK",
      `expected the hub's log to have the ${seen.size} entries that were seen of it, got ${now.size}`,
    );
  }
  if (isConsistent(seen, now, proof)) return;
  throw new SondeError(
    "HUB_ROLLED_BACK",
    `expected the hub's log of ${now.size} entries to begin with the ${seen.size} that were seen of it, got another log`,
  );
}
