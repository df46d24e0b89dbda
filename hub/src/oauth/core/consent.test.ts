import { expect, test } from "vitest";
import { readDecision, scopesOfPerson } from "./consent.ts";

const ask = { scopes: ["observe", "interact"], kind: "mcp" } as const;
const allow = { decision: "allow", level: "observe", agents: "all" };
const read = (form: Record<string, string>) =>
  readDecision(form, { ...ask, scopes: [...ask.scopes] });

test("only the button for it allows anything", () => {
  expect(read({ ...allow, decision: "deny" })).toBe(null);
  expect(read({ ...allow, decision: "" })).toBe(null);
  expect(read({ level: "observe", agents: "all" })).toBe(null);
});

test("a level has the lower ones, and none above what was asked for", () => {
  expect(read(allow)).toEqual({ scopes: ["observe"], agents: "*" });
  expect(read({ ...allow, level: "interact" })).toMatchObject({ scopes: ["observe", "interact"] });
  for (const level of ["manage", "", "__proto__", "api.write"]) {
    expect(() => read({ ...allow, level })).toThrow("expected one of the levels");
  }
});

test("agents are ticked or typed, by name and tag, and at least one of them", () => {
  const some = { ...allow, agents: "some", "agents.web-1": "on", more: "role=db, web-2 web-1" };
  expect(read(some)).toMatchObject({ agents: ["web-1", "role=db", "web-2"] });
  for (const more of ["", "*", "web_1", "a".repeat(100), "role=web*"]) {
    expect(() => read({ ...allow, agents: "some", more }), more).toThrow("agents");
  }
});

test("nobody is asked about more than the person has", () => {
  const asked = ["observe", "interact", "manage"];
  expect(scopesOfPerson(asked, "mcp", "observe")).toEqual(["observe"]);
  expect(scopesOfPerson(asked, "mcp", "interact")).toEqual(["observe", "interact"]);
  expect(scopesOfPerson(asked, "mcp", "manage")).toEqual(asked);
  expect(scopesOfPerson(["api.read"], "api", "observe")).toEqual(["api.read"]);
});
