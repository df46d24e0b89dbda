/** Where a person goes after signing in, unless the address says otherwise. */
export const HOME = "/";

/**
 * The path of this hub that an address names as the next page. Anything else would make the sign-in
 * page a signpost to strangers: `//host`, `/\host` and control characters are addresses of other
 * hosts to some browser.
 *
 * @returns `HOME` for what is no such path
 */
export function readNextPath(next: string | undefined): string {
  if (next === undefined || next.length > 2_000) return HOME;
  return /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(next) ? next : HOME;
}
