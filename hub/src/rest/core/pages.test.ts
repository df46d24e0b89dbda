import { expect, test } from "vitest";
import type { Principal } from "../../identity/index.ts";
import { createPages, type PageRequest } from "./pages.ts";

const pages = createPages(Buffer.alloc(32, 1));
const ask = (query: Record<string, string> = {}, id = "key:a"): PageRequest => ({
  principal: { subject: { id, name: "a" } } as Principal,
  query,
});
const cut = (entries: readonly string[], request: PageRequest, list = "names") =>
  pages.cut(list, request, entries, (name) => name);

/** A cursor after `b` of a list for `key:a`. */
const cursorOf = (query: Record<string, string> = {}): string =>
  String(cut(["a", "b", "c"], ask({ limit: "2", ...query })).next);

test("a list comes whole in pages, in the order of its keys", () => {
  const names = Array.from({ length: 25 }, (_, index) => `host-${index}`);
  const got: string[] = [];
  let cursor: string | undefined;
  do {
    const { page, next } = cut(names, ask({ limit: "4", ...(cursor !== undefined && { cursor }) }));
    expect(page.length).toBeLessThanOrEqual(4);
    got.push(...page);
    cursor = next;
  } while (cursor !== undefined);
  expect(got).toEqual(names.toSorted());
});

test("the last page has no cursor, also when it is full", () => {
  expect(cut(["a", "b"], ask({ limit: "2" }))).toEqual({ page: ["a", "b"] });
  expect(cut([], ask())).toEqual({ page: [] });
});

test("without a limit a page is bounded", () => {
  const many = Array.from({ length: 1_001 }, (_, index) => String(index).padStart(5, "0"));
  expect(cut(many, ask()).page.length).toBe(1_000);
});

test("entries that come and go between two pages move no other", () => {
  const cursor = cursorOf();
  // `aa` came before the cursor, `b` went, `d` came after it.
  expect(cut(["a", "aa", "c", "d"], ask({ cursor })).page).toEqual(["c", "d"]);
});

// Attack 34.
test.each<[string, string, PageRequest]>([
  ["of another principal", "names", ask({ cursor: cursorOf() }, "key:b")],
  ["of another list", "keys", ask({ cursor: cursorOf() })],
  ["of another query", "names", ask({ cursor: cursorOf({ agent: "web-1" }), agent: "web-2" })],
  ["of a query without a filter", "names", ask({ cursor: cursorOf(), agent: "web-1" })],
  ["that is empty", "names", ask({ cursor: "" })],
  ["that is too short", "names", ask({ cursor: cursorOf().slice(0, 8) })],
  ["that was made up", "names", ask({ cursor: Buffer.alloc(20, 97).toString("base64url") })],
  ["with another position", "names", ask({ cursor: move(cursorOf()) })],
  ["in another spelling", "names", ask({ cursor: `${cursorOf()}=` })],
])("attack 34: a cursor %s is refused", (_what, list, request) => {
  expect(() => cut(["a", "b", "c"], request, list)).toThrow(
    expect.objectContaining({ code: "CURSOR_REFUSED" }) as Error,
  );
});

function move(cursor: string): string {
  const bytes = Buffer.from(cursor, "base64url");
  bytes[bytes.length - 1] = 97;
  return bytes.toString("base64url");
}

test("another limit may be asked with the same cursor, and the other hubs of a database read it", () => {
  const cursor = cursorOf();
  const other = createPages(Buffer.alloc(32, 1));
  const request = ask({ cursor, limit: "1" });
  expect(other.cut("names", request, ["c", "d"], (name) => name).page).toEqual(["c"]);
  const stranger = createPages(Buffer.alloc(32, 2));
  expect(() => stranger.start("names", request)).toThrow(/expected a cursor/);
});
