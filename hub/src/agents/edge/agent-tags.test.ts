import type { AuditEntry } from "@sonde/schemas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const change = (set: string[], remove: string[] = [], key?: string) =>
  hub.ask("POST", "/agents/web-1/tags", { set, remove }, key);
const tagsOf = async () => (await hub.ask("GET", "/agents/web-1")).answer["tags"];
async function taggings(): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = (answer["entries"] as AuditEntry[]).map(({ record }) => record);
  return entries.filter(({ event }) => event === "agent.tagged");
}

test("tags are set and removed by the operator, on record, and outlast a restart", async () => {
  expect((await change(["role=web", "env=prod"])).answer["tags"]).toEqual(["env=prod", "role=web"]);
  expect((await change(["role=db"], ["env"])).answer["tags"]).toEqual(["role=db"]);
  expect(await taggings()).toMatchObject([
    { agent: "web-1", detail: { set: ["role=web", "env=prod"], tags: ["env=prod", "role=web"] } },
    { agent: "web-1", detail: { set: ["role=db"], remove: ["env"], tags: ["role=db"] } },
  ]);
  expect((await taggings())[0]?.principal).toMatch(/^key:/);
  await hub.restart();
  expect(await tagsOf()).toEqual(["role=db"]);
});

test("two changes at once are both there", async () => {
  await Promise.all([...Array(8).keys()].map((n) => change([`at-once-${n}=1`])));
  const found = (await tagsOf()) as string[];
  expect(found.filter((tag) => tag.startsWith("at-once-"))).toHaveLength(8);
  expect(
    (
      await change(
        [],
        [...Array(8).keys()].map((n) => `at-once-${n}`),
      )
    ).code,
  ).toBe(200);
});

test.each([
  ["a client", "client", [["role=web"]]],
  ["an auditor", "auditor", [["role=web"]]],
] as const)("%s changes no tag", async (_who, role, [set]) => {
  const { key } = await hub.addKey({ role, agents: "*", probes: "*" });
  const before = await tagsOf();
  expect((await change([...set], [], key)).code).toBe("FORBIDDEN");
  expect(await tagsOf()).toEqual(before);
});

test.each([
  ["a tag that is none", ["role"], []],
  ["a key that is set twice", ["role=web", "role=db"], []],
  ["a key to remove that is not there", [], ["none"]],
  ["one tag too many", [...Array(16).keys()].map((n) => `more-${n}=1`), []],
])("a change with %s is refused whole, and is no record", async (_what, set, remove) => {
  await change(["role=db"]);
  const before = [await tagsOf(), (await taggings()).length];
  expect((await change(set, remove)).code).toBe("BAD_REQUEST");
  expect([await tagsOf(), (await taggings()).length]).toEqual(before);
});

test("an agent that there is not has no tags to change", async () => {
  const body = { set: ["role=web"], remove: [] };
  expect((await hub.ask("POST", "/agents/nobody/tags", body)).code).toBe("AGENT_UNKNOWN");
});
