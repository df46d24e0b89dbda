import type { ResultBody } from "./messages.ts";

/** The body of an envelope or a frame: JSON in UTF-8. */
export function encodeBody(body: object): Buffer {
  return Buffer.from(JSON.stringify(body), "utf8");
}

/**
 * Encodes a result whose data was serialised before. The same bytes are measured, hashed and sent.
 *
 * @param data JSON in UTF-8; null for a failure
 */
export function encodeResult(result: Omit<ResultBody, "data">, data: Uint8Array | null): Buffer {
  if (data === null) return encodeBody(result);
  const { callId, status, ...rest } = result;
  return Buffer.concat([
    Buffer.from(`${JSON.stringify({ callId, status }).slice(0, -1)},"data":`, "utf8"),
    data,
    Buffer.from(`,${JSON.stringify(rest).slice(1)}`, "utf8"),
  ]);
}
