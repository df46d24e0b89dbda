import { createHmac, timingSafeEqual } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { PageQuery } from "@sonde/schemas/hub";
import type { Principal } from "../../identity/index.ts";

/** The most entries of a page, and those of a page without a limit. */
export const MAX_PAGE = 1_000;
const MAC_BYTES = 16;

/** The request for a page: who asks, and with which query. */
export type PageRequest = { principal: Principal; query: PageQuery & Record<string, unknown> };

/** From where a page goes on, and how many entries it has. */
export type PageStart = { after: string | null; limit: number };

/**
 * Cuts lists into pages. A cursor holds the key of the last entry that its client got, so entries
 * that come or go meanwhile move no other. It is good for this list, this principal and this query.
 */
export type Pages = {
  /** @throws SondeError CURSOR_REFUSED */
  start(list: string, request: PageRequest): PageStart;
  /** The cursor of the page after the entry with this key. */
  next(list: string, request: PageRequest, key: string): string;
  /**
   * Cuts a list that is whole in memory.
   *
   * @param keyOf an entry's own and lasting key, by which the list is sorted
   * @returns `next` only where more entries follow
   * @throws SondeError CURSOR_REFUSED
   */
  cut<Entry>(
    list: string,
    request: PageRequest,
    entries: readonly Entry[],
    keyOf: (entry: Entry) => string,
  ): { page: Entry[]; next?: string };
};

/** @param secret of all hubs of one database */
export function createPages(secret: Buffer): Pages {
  /** Attack 34: a cursor of another principal, list or query is like one that was made up. */
  const sign = (list: string, { principal, query }: PageRequest, key: string): Buffer => {
    const { cursor: _cursor, limit: _limit, ...filter } = query;
    const said = Object.entries(filter).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const bound = JSON.stringify([list, principal.subject.id, said, key]);
    return createHmac("sha256", secret).update(bound).digest().subarray(0, MAC_BYTES);
  };

  function start(list: string, request: PageRequest): PageStart {
    const { cursor, limit } = request.query;
    const size = limit === undefined ? MAX_PAGE : Number(limit);
    if (cursor === undefined) return { after: null, limit: size };
    const bytes = Buffer.from(cursor, "base64url");
    const key = bytes.subarray(MAC_BYTES).toString("utf8");
    const mac = bytes.subarray(0, MAC_BYTES);
    const isWhole = bytes.toString("base64url") === cursor && mac.length === MAC_BYTES;
    if (!isWhole || !timingSafeEqual(mac, sign(list, request, key))) {
      throw new SondeError("CURSOR_REFUSED", "expected a cursor of this list, caller and query");
    }
    return { after: key, limit: size };
  }

  const next = (list: string, request: PageRequest, key: string): string =>
    Buffer.concat([sign(list, request, key), Buffer.from(key)]).toString("base64url");

  return {
    start,
    next,
    cut(list, request, entries, keyOf) {
      const { after, limit } = start(list, request);
      const sorted = entries
        .map((entry) => ({ entry, key: keyOf(entry) }))
        .filter(({ key }) => after === null || key > after)
        .toSorted((a, b) => (a.key < b.key ? -1 : 1));
      const page = sorted.slice(0, limit);
      const last = page.at(-1);
      return {
        page: page.map(({ entry }) => entry),
        ...(sorted.length > limit && last !== undefined && { next: next(list, request, last.key) }),
      };
    },
  };
}
