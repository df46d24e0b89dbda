import type { SondeError } from "../errors.ts";

/**
 * Collects a body that came from outside. Counts while it reads: neither a
 * length header nor an encoding is believed, and a body that is too large is
 * let go of at the chunk that shows it.
 *
 * @param chunks bytes as they arrive; null is an answer without a body
 * @throws what `tooLarge` gives when there are more than `maxBytes`
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
