import { expect, test } from "vitest";
import type { AccessGrant } from "../../identity/index.ts";
import { narrowGrants } from "./narrow.ts";

const AGENTS = [
  { name: "web-1", tags: ["role=web", "site=a"] },
  { name: "web-2", tags: ["role=web", "site=b"] },
  { name: "db-1", tags: ["role=db", "site=a"] },
];
const owner: AccessGrant = { role: "owner", agents: "*", probes: "*", capability: "manage" };
const all = { scopes: ["observe", "interact", "manage"], agents: "*" as const };

test("a client has no more than its scopes, and none of its person's rights over the hub", () => {
  expect(narrowGrants("mcp", [owner], { ...all, scopes: ["observe"] }, AGENTS)).toEqual([
    { role: "client", agents: "*", probes: "*", capability: "observe" },
  ]);
  expect(narrowGrants("mcp", [owner], all, AGENTS)).toMatchObject([{ capability: "manage" }]);
  expect(narrowGrants("mcp", [owner], { ...all, scopes: ["api.write"] }, AGENTS)).toEqual([]);
  expect(narrowGrants("api", [owner], all, AGENTS)).toEqual([]);
  expect(narrowGrants("api", [owner], { ...all, scopes: ["api.read"] }, AGENTS)).toEqual([owner]);
});

test("a client has no more than its person", () => {
  const member: AccessGrant = { ...owner, role: "member", capability: "observe" };
  expect(narrowGrants("mcp", [member], all, AGENTS)).toMatchObject([{ capability: "observe" }]);
  const auditor: AccessGrant = { ...owner, role: "auditor", capability: "observe" };
  expect(narrowGrants("mcp", [auditor], all, AGENTS)).toMatchObject([{ role: "auditor" }]);
  expect(narrowGrants("mcp", [], all, AGENTS)).toEqual([]);
});

test.each<[string, AccessGrant["agents"], AccessGrant["agents"], AccessGrant["agents"]]>([
  ["everything and a list", "*", ["role=web"], ["role=web"]],
  ["a list and everything", ["role=web"], "*", ["role=web"]],
  ["a tag and a name of it", ["role=web"], ["web-1"], ["web-1"]],
  ["a tag and a name of another", ["role=web"], ["db-1"], []],
  ["two tags", ["role=web"], ["site=a"], ["web-1"]],
  ["nothing and everything", [], "*", []],
  ["everything and nothing", "*", [], []],
])("agents of %s", (_what, ofPerson, chosen, agents) => {
  const narrowed = narrowGrants(
    "mcp",
    [{ ...owner, agents: ofPerson }],
    { ...all, agents: chosen },
    AGENTS,
  );
  expect(narrowed).toMatchObject([{ agents }]);
});
