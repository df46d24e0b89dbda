import { AgentName } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { expect, test } from "vitest";
import { fitAgentName } from "./prepare-data.ts";

const parseAgentName = buildParser(AgentName, "agent name", "BAD_REQUEST");

test.each([
  ["web-1", "web-1"],
  ["Web_1.Example.COM", "web-1.example.com"],
  ["-.web.-", "web"],
  [`${"a".repeat(59)}.example.com`, "a".repeat(59)],
  [`${"a".repeat(58)}--b`, "a".repeat(58)],
  [`...${"a".repeat(80)}`, "a".repeat(60)],
])("the host %j has an agent called %j", (host, name) => {
  expect(fitAgentName(host)).toBe(name);
  expect(parseAgentName(name)).toBe(name);
});

test("an unusable host name gives null", () => {
  expect(fitAgentName("___")).toBeNull();
});
