import type { KeyPolicy } from "@sonde/schemas/hub";
import { expect, test } from "vitest";
import { type Right, authorize, type Principal, grantsOf, onlyObserving } from "./authorize.ts";

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

test("attack 24: every role has exactly the rights of this table", () => {
  const kinds = [
    "probe.call",
    "probe.list",
    "agents.read",
    "agents.manage",
    "tools.approve",
    "tools.read",
    "keys.manage",
    "audit.read",
    "calls.read",
  ] as const;
  const allowed = (role: KeyPolicy["role"]) =>
    kinds.filter((kind) => {
      const right = kind === "probe.call" ? CALL : { kind };
      return authorize(principal({ role }), right).allowed;
    });
  expect(allowed("operator")).toEqual(kinds);
  expect(allowed("client")).toEqual(["probe.call", "probe.list", "agents.read"]);
  expect(allowed("auditor")).toEqual([
    ...["probe.list", "agents.read", "tools.read", "audit.read", "calls.read"],
  ]);
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
