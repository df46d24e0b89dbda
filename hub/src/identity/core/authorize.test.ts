import type { KeyPolicy } from "@sonde/schemas/hub";
import type { Policy, PolicyRef, PolicyRule, Role } from "@sonde/schemas/policy";
import { expect, test } from "vitest";
import {
  asOfNow,
  authorize,
  hasEnded,
  maySeeAgent,
  maySeePack,
  maySeeProbe,
  onlyObserving,
  type Principal,
  type Right,
  ROUTE_RIGHTS,
} from "./authorize.ts";
import { createPrincipal, type Holder, holderOfKey } from "./principal.ts";

const WEB = { name: "web-1", tags: ["env=prod", "role=web"] };
const CALL = {
  kind: "probe.call",
  agent: WEB,
  probe: "system.overview",
  capability: "observe",
} as const;

const named = new Map<string, Policy>();
const held = new Map<string, PolicyRef>();
const BOOK = { policies: () => named, holders: () => held };

function principalOf(holders: Holder[]): Principal {
  const [first] = holders;
  return createPrincipal(BOOK, { id: first?.id ?? "key:1", name: "test" }, holders);
}

const keyWith = (policy: Partial<KeyPolicy>) =>
  principalOf([holderOfKey("key:1", { role: "client", agents: "*", probes: "*", ...policy })]);

/** A member with that policy. */
const memberWith = (made: Policy, role: Role = "member") =>
  principalOf([{ id: "person:1", role, made }]);

const ruleOf = (principal: Principal, right: Right) => {
  const decision = authorize(principal, right);
  return decision.allowed ? null : `${decision.rule.policy}: ${decision.rule.line}`;
};

const LISTS = ["probe.list", "agents.read"];
const SEES = [
  ...LISTS,
  ...["drift.read", "tools.read", "policy.read", "audit.read", "calls.read", "inbox.read"],
  "metrics.read",
];
const RUNS = ["probe.call", "agents.manage", "drift.manage", "tools.approve", "packs.approve"];
const READS = [...SEES, "keys.read", "people.read", "oauth.read"];
const LETS_IN = ["keys.manage", "people.manage", "oauth.manage", "policy.manage", "audit.hold"];

test.each<[Role, string[]]>([
  ["owner", [...READS, ...RUNS, ...LETS_IN, "owners.manage", "self"]],
  ["admin", [...READS, ...RUNS, ...LETS_IN, "self"]],
  ["operator", [...SEES, ...RUNS, "self"]],
  ["auditor", [...READS, "self"]],
  ["member", [...LISTS, "probe.call", "self"]],
  ["client", [...LISTS, "probe.call"]],
  ["metrics", ["metrics.read"]],
])("attack 24: the role %s has exactly the rights of this table", (role, rights) => {
  const person = principalOf([{ id: "person:1", role }]);
  const had = [CALL, ...ROUTE_RIGHTS.map((kind) => ({ kind }))].filter(
    (right) => authorize(person, right).allowed,
  );
  expect(had.map(({ kind }) => kind).toSorted()).toEqual(rights.toSorted());
});

test.each(["key:1", "grant:1", "person"])("%s has no account, whatever its role", (id) => {
  const owner = principalOf([{ id, role: "owner" }]);
  expect(authorize(owner, { kind: "self" })).toMatchObject({ code: "FORBIDDEN" });
  expect(authorize(owner, { kind: "people.manage" }).allowed).toBe(true);
});

test.each<[KeyPolicy["role"], Role]>([
  ["operator", "admin"],
  ["auditor", "auditor"],
  ["client", "client"],
])("a key of role %s has the rights of %s", (role, of) => {
  expect(keyWith({ role }).grants.map((grant) => grant.role)).toEqual([of]);
});

test.each([
  ["an agent outside the key's list", { agents: ["web-2"] }],
  ["a near miss of an agent's name", { agents: ["web-1.example", "web-"] }],
  ["a probe outside the key's list", { probes: ["system.disk.usage"] }],
  ["a near miss of a probe's name", { probes: ["system.overvie", "system.overview.x"] }],
  ["no agents at all", { agents: [] }],
  ["a tag that the agent has not", { agents: ["role=db", "role=we", "role=web2", "env=web"] }],
])("attack 39: a key for %s is refused", (_what, policy) => {
  expect(authorize(keyWith(policy), CALL)).toMatchObject({ allowed: false, code: "FORBIDDEN" });
});

test.each([["web-1"], ["role=web"], ["env=prod"]])("a key for %s may ask the agent", (selector) => {
  const key = keyWith({ agents: ["web-9", selector] });
  expect(authorize(key, CALL).allowed).toBe(true);
  expect(authorize(key, { ...CALL, agent: { name: "web-3", tags: [] } }).allowed).toBe(false);
});

test("a client may only observe, unless a policy says more", () => {
  const right: Right = { ...CALL, capability: "interact" };
  expect(authorize(keyWith({}), right).allowed).toBe(false);
  expect(authorize(keyWith({ role: "operator" }), right).allowed).toBe(true);
  expect(authorize(onlyObserving(keyWith({ role: "operator" })), right).allowed).toBe(false);
  expect(authorize(onlyObserving(keyWith({ role: "operator" })), CALL).allowed).toBe(true);
  const interacts = memberWith({ capability: "interact" });
  expect(authorize(interacts, right).allowed).toBe(true);
  expect(ruleOf(interacts, { ...CALL, capability: "manage" })).toBe("own: capability interact");
  expect(ruleOf(memberWith({}), right)).toBe("role member: capability observe");
  // What is allowed by one policy is not by the other.
  expect(authorize(onlyObserving(interacts), right).allowed).toBe(false);
});

test("attack 39: what is denied stays denied, whatever is allowed and in whatever order", () => {
  const member = memberWith({
    agents: { allow: ["web-1", "env=prod"], deny: ["role=web"] },
    tools: { allow: ["system.overview"], deny: ["system.**"] },
  });
  expect(ruleOf(member, CALL)).toBe("own: agents.deny[0] role=web");
  const db = { name: "db-1", tags: ["env=prod"] };
  expect(ruleOf(member, { ...CALL, agent: db })).toBe("own: tools.deny[0] system.**");
  expect(ruleOf(memberWith({ packs: { deny: ["sonde/system"] } }), CALL)).toBe(
    "own: packs.deny[0] sonde/system",
  );
  expect(ruleOf(memberWith({ packs: { allow: ["acme/system"] } }), CALL)).toBe(
    "own: packs.allow names it not",
  );
});

test("the decision names every rule that was looked at", () => {
  const trace: PolicyRule[] = [];
  const decision = authorize(
    memberWith({
      agents: { allow: ["web-9", "role=web"] },
      tools: { allow: ["disk.**", "system.*"] },
      rate: { perMinute: 6, burst: 2 },
    }),
    CALL,
    trace,
  );
  expect(trace).toEqual([
    { policy: "role member", line: "probe.call" },
    { policy: "own", line: "agents.allow[1] role=web" },
    { policy: "own", line: "tools.allow[1] system.*" },
    { policy: "role member", line: "capability observe" },
  ]);
  expect(decision).toEqual({
    allowed: true,
    rates: [
      {
        holder: "person:1",
        rate: { perMinute: 6, burst: 2 },
        rule: { policy: "own", line: "rate 6 a minute, 2 at once" },
      },
    ],
  });
});

const enter = (address: string | null, at = 0): Right => ({ kind: "enter", address, at });

test("a policy ends in the millisecond that it names", () => {
  const expiresAt = "2026-03-01T12:00:00.000Z";
  const end = Date.parse(expiresAt);
  const member = memberWith({ expiresAt });
  expect(authorize(member, enter("192.0.2.1", end - 1)).allowed).toBe(true);
  expect(authorize(member, enter("192.0.2.1", end))).toMatchObject({
    code: "ACCESS_ENDED",
    rule: { line: `expiresAt ${expiresAt}` },
  });
  expect([hasEnded(member, new Date(end - 1)), hasEnded(member, new Date(end))]).toEqual([
    false,
    true,
  ]);
});

test("attack 39: from elsewhere, and from nowhere, nobody enters", () => {
  const member = memberWith({ addresses: ["192.0.2.0/24"] });
  expect(authorize(member, enter("192.0.2.255")).allowed).toBe(true);
  expect(authorize(member, enter("::ffff:192.0.2.7")).allowed).toBe(true);
  for (const address of ["192.0.3.0", "::192.0.2.7", "::ffff:192.0.3.7", "2001:db8::1", "", null]) {
    expect(authorize(member, enter(address)), `${address}`).toMatchObject({
      code: "ADDRESS_REFUSED",
    });
  }
});

test("a policy for some agents narrows every right to these", () => {
  const some = memberWith({ agents: { allow: ["role=web"] } }, "admin");
  const other = { name: "db-1", tags: [] };
  expect(authorize(some, { kind: "agents.manage", agent: WEB }).allowed).toBe(true);
  expect(ruleOf(some, { kind: "agents.manage", agent: other })).toBe(
    "own: agents.allow names it not",
  );
  const ofFleet = ROUTE_RIGHTS.filter((kind) => !authorize(some, { kind }).allowed);
  const lists = ["probe.list", "agents.read", "self"];
  expect(ofFleet).toEqual(ROUTE_RIGHTS.filter((kind) => !lists.includes(kind)));
  // One that leaves a single agent out is no policy for all either.
  const denied = memberWith({ agents: { deny: ["db-1"] } }, "admin");
  expect(authorize(denied, { kind: "keys.manage" }).allowed).toBe(false);
  expect(authorize(memberWith({ agents: {} }, "owner"), { kind: "owners.manage" }).allowed).toBe(
    true,
  );
});

test("a client for a person has what both have", () => {
  const both = (person: Role, made: Policy, own: Policy) =>
    principalOf([
      { id: "grant:1", role: "client", made: own },
      { id: "person:1", role: person, made },
    ]);
  expect(authorize(both("member", {}, {}), CALL).allowed).toBe(true);
  expect(ruleOf(both("auditor", {}, {}), CALL)).toBe("role auditor: probe.call");
  expect(ruleOf(both("owner", {}, {}), { kind: "people.read" })).toBe("role client: people.read");
  const narrowed = both("owner", { agents: { deny: ["web-1"] } }, {});
  expect([authorize(narrowed, CALL).allowed, maySeeAgent(narrowed, WEB)]).toEqual([false, false]);
  const manages: Right = { ...CALL, capability: "manage" };
  expect(authorize(both("owner", {}, { capability: "manage" }), manages).allowed).toBe(true);
  // A person's own level is not raised by what a client was granted.
  expect(authorize(both("member", {}, { capability: "manage" }), manages).allowed).toBe(false);
  expect(authorize({ ...both("owner", {}, {}), grants: [] }, CALL)).toMatchObject({
    code: "FORBIDDEN",
  });
  expect(maySeeAgent({ ...both("owner", {}, {}), grants: [] }, WEB)).toBe(false);
});

test("a principal follows the policy that it holds, and one of a moment does not", () => {
  const person = principalOf([{ id: "person:held", role: "member" }]);
  const hashes = [person.policyHash];
  const decide = (principal = person) => authorize(principal, CALL).allowed;
  expect(decide()).toBe(true);
  held.set("person:held", { name: "night" });
  // A name that no policy has allows nothing.
  expect([decide(), ruleOf(person, enter("192.0.2.1"))]).toEqual([false, "night: is not there"]);
  hashes.push(person.policyHash);
  named.set("night", { tools: { allow: ["system.*"] } });
  expect(decide()).toBe(true);
  hashes.push(person.policyHash);
  const before = asOfNow(person);
  named.set("night", { tools: { deny: ["system.*"] } });
  expect([decide(), decide(before)]).toEqual([false, true]);
  hashes.push(person.policyHash);
  expect(new Set(hashes).size).toBe(4);
  expect(before.policyHash).toBe(hashes[2]);
  held.set("person:held", { agents: { deny: ["web-1"] } });
  expect(ruleOf(person, CALL)).toBe("own: agents.deny[0] web-1");
});

test("a policy that this release does not understand allows nothing", () => {
  const later = { agents: { allow: "*" }, hours: ["9-17"] } as Policy;
  const member = memberWith(later);
  expect(authorize(member, enter("192.0.2.1")).allowed).toBe(false);
  expect([authorize(member, CALL).allowed, maySeeAgent(member, WEB)]).toEqual([false, false]);
  expect(maySeePack(member, WEB, "sonde/system")).toBe(false);
});

test("packs and probes are shown to whoever may ask them", () => {
  const member = memberWith({
    tools: { allow: ["system.*", "acme/web.**"], deny: ["acme/web.secret.**", "docker.**"] },
  });
  const sees = (pack: string) => maySeePack(member, WEB, pack);
  expect(["sonde/system", "acme/web"].map(sees)).toEqual([true, true]);
  expect(["sonde/docker", "acme/system", "acme/we", "sonde/web"].map(sees)).toEqual([
    ...[false, false, false, false],
  ]);
  expect(maySeeProbe(member, WEB, "acme/web.page.status")).toBe(true);
  expect(maySeeProbe(member, WEB, "acme/web.secret.key")).toBe(false);
  expect(maySeePack(memberWith({ tools: { deny: ["docker.**"] } }), WEB, "sonde/docker")).toBe(
    false,
  );
  expect(maySeePack(memberWith({ packs: { deny: ["sonde/docker"] } }), WEB, "sonde/docker")).toBe(
    false,
  );
});

test("fifty rules are read once for an agent and a probe, however often they are asked", () => {
  let looked = 0;
  const agent = {
    name: "web-50",
    get tags() {
      looked += 1;
      return ["role=web"];
    },
  };
  const allow = Array.from({ length: 50 }, (_, index) => `role=web${index}`);
  const member = memberWith({ agents: { allow: [...allow, "role=web"] } });
  for (let asked = 0; asked < 1000; asked++) authorize(member, { ...CALL, agent });
  expect(looked).toBe(51);
});
