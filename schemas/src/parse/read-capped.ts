import type { SondeError } from "../errors.ts";

/**
 * Collects a body that came from outside. It counts bytes as they arrive and trusts no length
 * header. It stops at the first chunk that exceeds the cap.
 *
 * @param chunks bytes as they arrive; null is an answer without a body
 * @throws what `tooLarge` returns, when there are more than `maxBytes`
 */
export async function readCapped(
  chunks: AsyncIterable<Uint8Array> | null,
  maxBytes: number,
  tooLarge: () => SondeError,
): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    kept.push(chunk);
  }
  return Buffer.concat(kept);
}
