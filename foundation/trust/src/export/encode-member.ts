import { BLOCK_BYTES, paddedLength } from "../archive/archive-layout.ts";
import { buildTarHeader } from "../archive/tar-header.ts";
import type { ExportMember } from "./layout.ts";

/** The end of an export: two zero blocks, as in tar. */
export const EXPORT_END = Buffer.alloc(2 * BLOCK_BYTES);

/** Encodes one member of an export. */
export function encodeMember({ name }: ExportMember, bytes: Uint8Array): Buffer {
  const padding = Buffer.alloc(paddedLength(bytes.length) - bytes.length);
  return Buffer.concat([buildTarHeader(name, bytes.length), bytes, padding]);
}
