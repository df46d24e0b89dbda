/** RFC 9110, 11.1: the scheme is case-insensitive. RFC 6750, 2.1: spaces and a b64token follow. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]{1,4096}=*) *$/i;

/**
 * The token of an Authorization header of the scheme Bearer.
 *
 * @returns null without a header, with another scheme and with a malformed token
 */
export function readBearer(authorization: string | undefined): string | null {
  return BEARER.exec(authorization ?? "")?.[1] ?? null;
}
