import { BLOCK_BYTES, FILE_MODE } from "./archive-layout.ts";

/** The fields of a ustar header (POSIX.1-1988). Together they cover all 512 bytes. */
export const HEADER_FIELDS = [
  { field: "name", start: 0, end: 100 },
  { field: "mode", start: 100, end: 108 },
  { field: "uid", start: 108, end: 116 },
  { field: "gid", start: 116, end: 124 },
  { field: "size", start: 124, end: 136 },
  { field: "mtime", start: 136, end: 148 },
  { field: "checksum", start: 148, end: 156 },
  { field: "type", start: 156, end: 157 },
  { field: "link name", start: 157, end: 257 },
  { field: "magic", start: 257, end: 263 },
  { field: "version", start: 263, end: 265 },
  { field: "owner", start: 265, end: 297 },
  { field: "group", start: 297, end: 329 },
  { field: "device major", start: 329, end: 337 },
  { field: "device minor", start: 337, end: 345 },
  { field: "prefix", start: 345, end: 500 },
  { field: "filler", start: 500, end: 512 },
] as const;

/**
 * Builds the only header that an archive may have for this name and size: a regular file
 * without owner and time. Writer and reader both use this function, so the reader can
 * compare byte for byte.
 */
export function buildTarHeader(path: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(path, 0, "ascii");
  header.write(octal(FILE_MODE, 7), 100, "ascii");
  header.write(octal(0, 7), 108, "ascii");
  header.write(octal(0, 7), 116, "ascii");
  header.write(octal(size, 11), 124, "ascii");
  header.write(octal(0, 11), 136, "ascii");
  header.write("0", 156, "ascii");
  header.write("ustar\u000000", 257, "ascii");
  header.write(octal(0, 7), 329, "ascii");
  header.write(octal(0, 7), 337, "ascii");
  // The checksum is computed with its own field as eight blanks.
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148, "ascii");
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
