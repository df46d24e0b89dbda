import type { KeyPolicy } from "@sonde/schemas/hub";
import type { Role } from "@sonde/schemas/policy";
import { expect, test } from "vitest";
import {
  type Right,
  authorize,
  type Principal,
  grantsOf,
  onlyObserving,
  ROUTE_RIGHTS,
} from "./authorize.ts";

function principal(policy: Partial<KeyPolicy>): Principal {
  return {
    subject: { id: "key:1", name: "test" },
    grants: grantsOf({ role: "client", agents: "*", probes: "*", ...policy }),
    policyHash: `sha256:${"0".repeat(64)}`,
  };
}

const CALL: Right = {
  kind: "probe.call",
  agent: { name: "web-1", tags: ["env=prod", "role=web"] },
  probe: "system.overview",
  capability: "observe",
};

const LISTS = ["probe.list", "agents.read"];
const SEES = [...LISTS, "drift.read", "tools.read", "policy.read", "audit.read", "calls.read"];
const RUNS = ["probe.call", "agents.manage", "drift.manage", "tools.approve"];
const READS = [...SEES, "keys.read", "people.read", "oauth.read"];
const LETS_IN = ["keys.manage", "people.manage", "oauth.manage", "policy.manage"];

test.each<[Role, string[]]>([
  ["owner", [...READS, ...RUNS, ...LETS_IN, "owners.manage", "self"]],
  ["admin", [...READS, ...RUNS, ...LETS_IN, "self"]],
  ["operator", [...SEES, ...RUNS, "self"]],
  ["auditor", [...READS, "self"]],
  ["member", [...LISTS, "probe.call", "self"]],
  ["client", [...LISTS, "probe.call"]],
])("attack 24: the role %s has exactly the rights of this table", (role, rights) => {
  const grants = [{ role, agents: "*", probes: "*", capability: "manage" } as const];
  const person = { ...principal({}), subject: { id: "person:1", name: "test" }, grants };
  const held = [CALL, ...ROUTE_RIGHTS.map((kind) => ({ kind }))].filter(
    (right) => authorize(person, right).allowed,
  );
  expect(held.map(({ kind }) => kind).toSorted()).toEqual(rights.toSorted());
});

test.each(["key:1", "grant:1", "person"])("%s has no account, whatever its role", (id) => {
  const subject = { id, name: "test" };
  const owner: Principal = {
    ...principal({}),
    subject,
    grants: [{ role: "owner", agents: "*", probes: "*", capability: "manage" }],
  };
  expect(authorize(owner, { kind: "self" })).toMatchObject({ code: "FORBIDDEN" });
  expect(authorize(owner, { kind: "people.manage" }).allowed).toBe(true);
});

test.each<[KeyPolicy["role"], Role]>([
  ["operator", "admin"],
  ["auditor", "auditor"],
  ["client", "client"],
])("a key of role %s has the rights of %s", (role, of) => {
  expect(grantsOf({ role, agents: "*", probes: "*" }).map((grant) => grant.role)).toEqual([of]);
});

test.each([
  ["an agent outside the key's list", { agents: ["web-2"] }],
  ["a near miss of an agent's name", { agents: ["web-1.example", "web-"] }],
  ["a probe outside the key's list", { probes: ["system.disk.usage"] }],
  ["a near miss of a probe's name", { probes: ["system.overvie", "system"] }],
  ["no agents at all", { agents: [] }],
  ["a tag that the agent has not", { agents: ["role=db", "role=we", "role=web2", "env=web"] }],
])("a key for %s is refused", (_what, policy) => {
  expect(authorize(principal(policy), CALL)).toMatchObject({ allowed: false, code: "FORBIDDEN" });
});

test.each([["web-1"], ["role=web"], ["env=prod"]])("a key for %s may ask the agent", (selector) => {
  const key = principal({ agents: ["web-9", selector] });
  expect(authorize(key, CALL).allowed).toBe(true);
  expect(authorize(key, { ...CALL, agent: { name: "web-3", tags: [] } }).allowed).toBe(false);
});

test("a client may only observe", () => {
  const right: Right = { ...CALL, capability: "interact" };
  expect(authorize(principal({}), right).allowed).toBe(false);
  expect(authorize(principal({ role: "operator" }), right).allowed).toBe(true);
  expect(authorize(onlyObserving(principal({ role: "operator" })), right).allowed).toBe(false);
  expect(authorize(onlyObserving(principal({ role: "operator" })), CALL).allowed).toBe(true);
});

test("one grant must allow all of a call; two grants do not add up", () => {
  const one = grantsOf({ role: "client", agents: ["web-1"], probes: ["system.disk.usage"] });
  const other = grantsOf({ role: "client", agents: ["web-2"], probes: ["system.overview"] });
  const both: Principal = { ...principal({}), grants: [...one, ...other] };
  expect(authorize(both, { ...CALL, agent: { name: "web-2", tags: [] } }).allowed).toBe(true);
  expect(authorize(both, CALL).allowed).toBe(false);
  expect(authorize({ ...both, grants: [] }, CALL)).toMatchObject({ code: "FORBIDDEN" });
});
