/** What a browser says about the page that a request comes from. */
export type Provenance = {
  host: string | undefined;
  origin: string | undefined;
  fetchSite: string | undefined;
};

/**
 * Whether a request that writes comes from a page of this hub (attack 38). A browser sends a cookie
 * with the requests of other pages too, above all of the same host at another port. It says where
 * they come from, and no page can change that. A request that says nothing is refused.
 *
 * @param scheme by which the browser reached the hub
 */
export function isSameOrigin(
  { host, origin, fetchSite }: Provenance,
  scheme: "http" | "https",
): boolean {
  if (fetchSite !== undefined && fetchSite !== "same-origin") return false;
  if (origin !== undefined) return origin === `${scheme}://${host ?? ""}`;
  return fetchSite !== undefined;
}
