import type { Capability } from "@sonde/schemas/names";
import type { Policy, Role } from "@sonde/schemas/policy";
import { expect, test } from "vitest";
import { authorize, createPrincipal, type Principal } from "../../identity/index.ts";
import { holderOfGrant, type Narrowing } from "./narrow.ts";

const WEB = { name: "web-1", tags: ["role=web", "site=a"] };
const DB = { name: "db-1", tags: ["role=db", "site=a"] };
const BOOK = { policies: () => new Map(), holders: () => new Map() };
const all: Narrowing = { scopes: ["observe", "interact", "manage"], agents: "*" };

/** The client of a person of that role and policy. */
function build(role: Role, narrowing: Narrowing, made: Policy = {}, kind: "mcp" | "api" = "mcp") {
  const person = { id: "person:1", role, made };
  const subject = { id: "grant:1", name: "Claude", person: "person:1" };
  return createPrincipal(BOOK, subject, [person, holderOfGrant("1", kind, person, narrowing)]);
}

const mayCall = (principal: Principal, agent = WEB, capability: Capability = "observe") =>
  authorize(principal, { kind: "probe.call", agent, probe: "system.overview", capability }).allowed;

test("a client has no more than its scopes, and none of its person's rights over the hub", () => {
  const observes = build("owner", { ...all, scopes: ["observe"] });
  expect([mayCall(observes), mayCall(observes, WEB, "interact")]).toEqual([true, false]);
  expect(mayCall(build("owner", all), WEB, "manage")).toBe(true);
  for (const kind of ["keys.manage", "audit.read", "self"] as const) {
    expect(authorize(build("owner", all), { kind }).allowed, kind).toBe(false);
  }
});

test("a client has no more than its person", () => {
  expect(mayCall(build("member", all), WEB, "manage")).toBe(false);
  expect(mayCall(build("auditor", all))).toBe(false);
  expect(mayCall(build("owner", all, { capability: "observe" }), WEB, "interact")).toBe(false);
  expect(mayCall(build("member", all, { agents: { allow: ["role=db"] } }))).toBe(false);
});

test("of the agents it has those that both name", () => {
  const both = build("member", { ...all, agents: ["site=a"] }, { agents: { allow: ["role=web"] } });
  expect([mayCall(both, WEB), mayCall(both, DB)]).toEqual([true, false]);
  const none = build("owner", { ...all, agents: ["web-2"] });
  expect(mayCall(none)).toBe(false);
});

test("over REST it is its person, but for the person's own account", () => {
  const api = build("admin", { scopes: ["api.read"], agents: "*" }, {}, "api");
  expect(authorize(api, { kind: "keys.manage" }).allowed).toBe(true);
  expect(authorize(api, { kind: "self" }).allowed).toBe(false);
  const member = build("member", { scopes: ["api.write"], agents: "*" }, {}, "api");
  expect(authorize(member, { kind: "keys.manage" }).allowed).toBe(false);
});
