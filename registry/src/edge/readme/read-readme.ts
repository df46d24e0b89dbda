import type { Digest } from "@sonde/schemas/names";
import { readArchive, readReadme } from "@sonde/trust/archive";
import type { BlobStore } from "../store/blob-store.ts";
import type { ReadmeStore } from "../store/readme-store.ts";
import type { ReadmeRenderer } from "./readme-renderer.ts";

/** Returns the README of a stored archive, as Markdown. */
export async function readStoredReadme(blobs: BlobStore, digest: Digest): Promise<string> {
  return readReadme(readArchive(await blobs.readBlob(digest)));
}

/**
 * Creates a reader of READMEs as safe HTML. Each is rendered at its first request and then stored;
 * concurrent requests share one rendering.
 */
export function createReadmeReader(
  store: ReadmeStore,
  blobs: BlobStore,
  renderer: ReadmeRenderer,
): (digest: Digest) => Promise<string> {
  const running = new Map<Digest, Promise<string>>();

  async function renderOnce(digest: Digest): Promise<string> {
    const kept = await store.findReadme(digest);
    if (kept !== null) return kept;
    const html = await renderer.render(await readStoredReadme(blobs, digest));
    await store.saveReadme(digest, html.toWellFormed().replaceAll("\0", ""));
    return html;
  }

  return async (digest) => {
    const present = running.get(digest) ?? renderOnce(digest);
    running.set(digest, present);
    try {
      return await present;
    } finally {
      running.delete(digest);
    }
  };
}
