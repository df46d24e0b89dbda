import type { Capability } from "@sonde/schemas/names";
import { expect, test } from "vitest";
import { createPrincipal, type Principal } from "../../identity/index.ts";
import { findStepUp } from "./step-up.ts";

const TOOLS = new Map<string, Capability>([
  ["look", "observe"],
  ["restart", "manage"],
]);
const BOOK = { policies: () => new Map(), holders: () => new Map() };
const principal = (capability: Capability, reach?: Capability): Principal =>
  Object.assign(
    createPrincipal(BOOK, { id: "grant:1", name: "Claude" }, [
      { id: "grant:1", role: "client", made: { capability } },
    ]),
    reach === undefined ? {} : { reach },
  );
const call = (name: unknown, args: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: args },
});
const find = (message: unknown, who = principal("observe", "manage")) =>
  findStepUp(message, who, (tool) => TOOLS.get(tool));

test("a call above the token's scopes, and within what its person has, needs more", () => {
  expect(find(call("restart"))).toBe("manage");
  expect(find(call("call_tool", { tool: "restart" }))).toBe("manage");
  expect(find([call("look"), call("restart")])).toBe("manage");
});

test("no other message does", () => {
  expect(find(call("look"))).toBe(null);
  expect(find(call("nothing"))).toBe(null);
  expect(find(call("__proto__"))).toBe(null);
  expect(find({ method: "tools/list" })).toBe(null);
  for (const odd of [null, 7, "x", [], [null], call(7), { method: "tools/call" }]) {
    expect(find(odd)).toBe(null);
  }
});

test("nobody is asked for what the person does not have, and no key is asked", () => {
  expect(find(call("restart"), principal("manage", "manage"))).toBe(null);
  expect(find(call("restart"), principal("observe", "interact"))).toBe(null);
  expect(find(call("restart"), principal("observe"))).toBe(null);
});
