import { ToolResult, ToolResults } from "@sonde/schemas/hub";
import { AGENT_ARGUMENT } from "@sonde/schemas/names";
import { expect, test } from "vitest";
import { FIXED_TOOLS } from "../edge/fixed-tools.ts";
import { INSTRUCTIONS } from "./instructions.ts";

test("the instructions have at most 2 KB", () => {
  expect(Buffer.byteLength(INSTRUCTIONS)).toBeLessThanOrEqual(2048);
});

test("each tool, argument and member that the instructions name exists", () => {
  const { failure } = ToolResult.properties;
  const known = [
    ...[...FIXED_TOOLS.keys(), AGENT_ARGUMENT, "ok"],
    ...[ToolResults, ToolResult, failure].flatMap(({ properties }) => Object.keys(properties)),
  ];
  const named = [...INSTRUCTIONS.matchAll(/`([^`]+)`|\b([a-z]+_[a-z_]+)\b/g)];
  expect(named.length).toBeGreaterThan(5);
  expect(
    named.map(([, quoted, bare]) => quoted ?? bare).filter((name) => !known.includes(name ?? "")),
  ).toEqual([]);
});
