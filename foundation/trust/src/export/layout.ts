import type { Digest } from "@sonde/schemas/names";
import { MAX_ARCHIVE_BYTES } from "../archive/index.ts";
import { type TileId, maxTileBytes, tilePath } from "../log/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";

// A registry in one file, as a plain tar. Its members, in this order and no others:
//
//   checkpoint               the log's signed head
//   trusted-root.json        Sigstore's trusted root, if the exporter had one
//   tile/entries/N           every entry of the log up to that head
//   archives/HEX.tgz         the archive of each version, in the order of the log
//   bundles/HEX.json         its signature; versions that were left out have neither

/** The name of an export's member, and its largest size. */
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
