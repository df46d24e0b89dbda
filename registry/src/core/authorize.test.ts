import { PUBLISH_ACTIONS, type PublisherRole } from "@sonde/schemas/registry";
import { expect, test } from "vitest";
import { type Right, type Principal, actionsOf, authorize, authorizeGrant } from "./authorize.ts";

type Holder = Extract<Principal, { publisher: string }>;

const holder = (changes: Partial<Holder> = {}): Holder => ({
  role: "owner",
  id: "1",
  publisher: "acme",
  pack: null,
  actions: PUBLISH_ACTIONS,
  expiresAt: new Date("2027-01-01"),
  ...changes,
});
const HELLO = { publisher: "acme", pack: "acme/hello" };
const forbidden = expect.objectContaining({ code: "FORBIDDEN" });

test("every role has exactly the rights of this table", () => {
  const kinds = [...PUBLISH_ACTIONS, "quarantine", "publishers"] as const;
  const allowed = (principal: Principal): Right[] =>
    kinds.filter((kind) => {
      try {
        authorize(principal, kind, HELLO);
        return true;
      } catch {
        return false;
      }
    });
  expect(allowed({ role: "operator" })).toEqual(["advisory", "tokens", "quarantine", "publishers"]);
  expect(allowed(holder())).toEqual(["publish", "yank", "deprecate", "advisory", "tokens"]);
  expect(allowed(holder({ role: "maintainer" }))).toEqual(["publish", "yank", "deprecate"]);
  expect(allowed(holder({ role: "ci" }))).toEqual(["publish"]);
  expect(allowed(holder({ actions: ["yank"] }))).toEqual(["yank"]);
  for (const role of ["owner", "maintainer", "ci"] as const) {
    expect(actionsOf(role)).toEqual(allowed(holder({ role })));
  }
});

test.each<[string, Partial<Holder>, { publisher: string | null; pack: string | null }]>([
  ["another publisher's pack", {}, { publisher: "acm", pack: "acm/hello" }],
  ["a longer publisher's pack", {}, { publisher: "acme-inc", pack: "acme-inc/hello" }],
  ["another pack than its own", { pack: "acme/hello" }, { publisher: "acme", pack: "acme/hell" }],
  ["no pack at all, being for one", { pack: "acme/hello" }, { publisher: "acme", pack: null }],
  ["no publisher", {}, { publisher: null, pack: null }],
])("a token is refused for %s", (_what, changes, target) => {
  expect(() => authorize(holder(changes), "publish", target)).toThrow(forbidden);
});

test("a token for one pack has its rights on that pack", () => {
  expect(() => authorize(holder({ pack: "acme/hello" }), "publish", HELLO)).not.toThrow();
});

const GRANT = {
  publisher: "acme",
  pack: null,
  role: "ci" as PublisherRole,
  actions: ["publish"] as const,
  expiresAt: new Date("2026-12-31"),
};

test.each<[string, Partial<Holder>, object]>([
  ["more than its role may", {}, { actions: ["publish", "yank"] }],
  [
    "more than its maker may",
    { actions: ["publish", "tokens"] },
    { role: "owner", actions: ["yank"] },
  ],
  ["longer than its maker", {}, { expiresAt: new Date("2027-01-02") }],
  ["a pack of another publisher", {}, { pack: "evil/hello" }],
])("no token is made for %s", (_what, maker, grant) => {
  expect(() => authorizeGrant(holder(maker), { ...GRANT, ...grant })).toThrow(forbidden);
});

test("a token that the operator makes is bound by its role too", () => {
  const operator = { role: "operator" } as const;
  expect(() => authorizeGrant(operator, { ...GRANT, actions: ["advisory"] })).toThrow(forbidden);
  expect(() => authorizeGrant(operator, GRANT)).not.toThrow();
});
