import { expect, test } from "vitest";
import type { ToolDefinition } from "../../catalog/index.ts";
import { searchToolsBeside } from "./fixed-tools.ts";
import { searchTools } from "./search-tools.ts";

const tool = (name: string, description: string, required: string[] = []): ToolDefinition => ({
  ...{ name, description },
  inputSchema: {
    ...{ type: "object", required, additionalProperties: false },
    properties: { agent: {}, limit: {} },
  },
  annotations: {
    ...{ title: name, readOnlyHint: true, destructiveHint: false },
    ...{ idempotentHint: true, openWorldHint: false },
  },
});
const tools = [
  tool("docker_containers_list", "Lists containers with their state.", ["agent"]),
  tool("system_disk_usage", "Space of each filesystem.", ["agent"]),
  tool("system_overview", "Load, memory and disk in short.", ["agent"]),
];

test("tools are found by words, those with the words in their names first", () => {
  expect(searchTools(tools, "Disk full?").split("\n")).toEqual([
    "system_disk_usage(agent, limit?): Space of each filesystem.",
    "system_overview(agent, limit?): Load, memory and disk in short.",
  ]);
});

test("without words, or when nothing fits, all tools are named", () => {
  const all = "All 3 tools: docker_containers_list, system_disk_usage, system_overview.";
  expect(searchTools(tools, "")).toBe(all);
  expect(searchTools(tools, "weather")).toBe(`No tool fits these words. ${all}`);
  expect(searchTools([], "disk")).toBe("You may call no other tools.");
});

test("of many that fit the best are named, and how many more there are", () => {
  const many = Array.from({ length: 25 }, (_, index) => tool(`acme__db_t${index}`, "Looks."));
  expect(searchTools(many, "db").split("\n").at(-1)).toBe("5 more fit. Use other words.");
});

test("a list that leaves tools out says how many, and of which packs", () => {
  expect(searchToolsBeside(3, ["acme/db", "acme/web"]).description).toContain(
    "3 tools are not in this list: those of acme/db, acme/web.",
  );
  expect(searchToolsBeside(0, []).description).not.toContain("not in this list");
});
