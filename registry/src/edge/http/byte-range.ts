/**
 * Bytes to send, both ends included. `whole` when no range, or none that is supported, was asked
 * for.
 */
export type ByteRange = { start: number; end: number } | "whole" | "unsatisfiable";

/**
 * Parses a Range header (RFC 9110, 14). One range of bytes is supported. Several ranges, another
 * unit or a malformed header count as no header.
 *
 * @param size length of the whole in bytes, at least 1
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return "whole";
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= size) return "unsatisfiable";
  return { start, end: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
