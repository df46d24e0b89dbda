import { SondeError } from "@sonde/schemas/errors";

/** Stands in the README that `sonde-pack init` writes, until the author writes their own. */
export const UNWRITTEN_README =
  "Write here what the pack answers, what it reads, and which rights it needs.";

/**
 * @param readme Markdown of an archive
 * @throws SondeError BAD_REQUEST when it is still the template's: people read it before they install
 *   a pack
 */
export function demandOwnReadme(readme: string): void {
  if (!readme.includes(UNWRITTEN_README)) return;
  throw new SondeError(
    "BAD_REQUEST",
    `README.md: expected your own words, got the template's "${UNWRITTEN_README}"; write it and build again`,
  );
}
