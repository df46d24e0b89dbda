/** The members of an OpenAPI document that tests read. */
export type OpenApi = {
  paths: Record<
    string,
    Record<
      string,
      { "x-sonde-right": unknown; summary?: string; responses: Record<string, object> }
    >
  >;
};

/**
 * Checks that a route refuses only with codes that its document names.
 *
 * @param path of the request, with its query
 * @throws Error naming the code and the route
 */
export function demandDocumented(
  { paths }: OpenApi,
  method: string,
  path: string,
  { status, code }: { status: number; code: string },
): void {
  const [asked = ""] = path.split("?");
  // As in the router, a fixed path comes before one with parameters.
  const route = Object.keys(paths)
    .toSorted((a, b) => a.split("{").length - b.split("{").length)
    .find((known) => new RegExp(`^${known.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(asked));
  const operation = paths[route ?? ""]?.[method.toLowerCase()];
  const documented = JSON.stringify(operation?.responses[status] ?? null);
  if (route !== undefined && !documented.includes(`"${code}"`)) {
    throw new Error(`${method} ${route} answers ${code}, which its document does not name`);
  }
}
