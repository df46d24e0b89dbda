import type { Digest } from "@sonde/schemas/names";
import { MAX_ARCHIVE_BYTES } from "../archive/index.ts";
import { type TileId, maxTileBytes, tilePath } from "../log/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";

// A registry in one file, as a plain tar. Its members, in this order and no other:
//
//   checkpoint               the log's signed head
//   trusted-root.json        Sigstore's trusted root, where the exporter had one
//   tile/entries/N           every entry of the log up to that head
//   archives/HEX.tgz         for each version in the order of the log, but for those
//   bundles/HEX.json         that were left out: its archive and the signature

/** What a member of an export is called, and the most that it has. */
export type ExportMember = { readonly name: string; readonly maxBytes: number };

export const CHECKPOINT: ExportMember = { name: "checkpoint", maxBytes: 16 * 1024 };
export const TRUSTED_ROOT: ExportMember = { name: "trusted-root.json", maxBytes: 1024 * 1024 };

export function entriesMember(id: TileId): ExportMember {
  return { name: tilePath(id), maxBytes: maxTileBytes(id) };
}

export function archiveMember(digest: Digest): ExportMember {
  return { name: `archives/${hexOf(digest)}.tgz`, maxBytes: MAX_ARCHIVE_BYTES };
}

export function bundleMember(digest: Digest): ExportMember {
  return { name: `bundles/${hexOf(digest)}.json`, maxBytes: MAX_BUNDLE_BYTES };
}

function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}
