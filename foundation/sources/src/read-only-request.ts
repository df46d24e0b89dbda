import type { HttpSource } from "@sonde/schemas/manifest";
import { countShared } from "./count-shared.ts";
import { READ_ONLY_PAGES, READ_ONLY_REQUESTS } from "./read-only-requests.ts";
import { typedPath } from "./template.ts";

/** True when the request's path, the names of its query, and its socket if it has one, are in the tables. */
export function isReadOnlyRequest({ socket, path, query = {}, holes }: HttpSource): boolean {
  const names = formsOver(socket)?.get(typedPath(path, holes));
  return names !== undefined && Object.keys(query).every((name) => names.includes(name));
}

function formsOver(socket: string | undefined): ReadonlyMap<string, readonly string[]> | undefined {
  return socket === undefined ? READ_ONLY_PAGES : READ_ONLY_REQUESTS.get(socket);
}

/** Says that a request is not in the table, and which form of the table is nearest to it. */
export function describeNearestRequest(source: HttpSource): string {
  return `it is not in the table of requests that only look (docs/pack-reference.md); ${describeNear(source)}`;
}

function describeNear({ socket, path, holes }: HttpSource): string {
  const forms = formsOver(socket);
  if (forms === undefined) {
    const others = [...READ_ONLY_REQUESTS.keys()].join(", ");
    return `it has no form over ${socket}; it has some over ${others}`;
  }
  const asked = typedPath(path, holes);
  const [nearest] = [...forms]
    .map(([form, names]) => ({ form, names, ...compare(form, asked) }))
    .toSorted((a, b) => a.distance - b.distance);
  if (nearest === undefined || nearest.shared === 0) return `it has no form like ${asked}`;
  const { form, names } = nearest;
  const query = names.length === 0 ? "without a query" : `whose query may have ${names.join(", ")}`;
  return `its nearest form is GET ${form}, ${query}`;
}

/** @returns how many segments two paths share in order, and how many either has beside these */
function compare(form: string, asked: string): { shared: number; distance: number } {
  const [ours, theirs] = [segmentsOf(form), segmentsOf(asked)];
  const shared = countShared(ours.length, theirs.length, (a, b) => {
    const [one, other] = [ours[a], theirs[b]];
    return one === other || (isHole(one) && isHole(other));
  });
  return { shared, distance: ours.length + theirs.length - 2 * shared };
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

/** A hole stands as its type: `<container-name>`. */
function isHole(segment = ""): boolean {
  return segment.startsWith("<");
}
