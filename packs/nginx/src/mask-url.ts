/** A URL without what may be secret in it: a name with a password, and the query. */
export function maskUrl(url: string): string {
  const [place = ""] = url.split(/[?#]/, 1);
  return place.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1(masked)@");
}
