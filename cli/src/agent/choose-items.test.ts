import type { PackExplanation } from "@sonde/schemas/agent";
import { expect, test } from "vitest";
import { chooseItems, type ItemChoice } from "./choose-items.ts";

const nothing = { groups: [], commands: [], files: [], sockets: [] };
const requires = { ...nothing, groups: ["adm"], files: ["/a", "/b"] };
const shown: PackExplanation = {
  ...{ name: "acme/hello", version: "1.0.0", digest: `sha256:${"a".repeat(64)}`, requires },
  ...{ signer: { kind: "none", publisher: "acme" }, state: "pending", reason: null },
  ...{
    granted: null,
    missing: requires,
    gone: nothing,
    items: [],
    windows: [],
    endpoints: [],
    wider: [],
  },
  ...{ probes: [], before: [], hub: { granted: null, mayGrant: [], revoked: false } },
};
const older: PackExplanation = {
  ...shown,
  reason: { code: "PACK_DOWNGRADE", message: "older than 2.0.0, which served last" },
};

/** @param yesTo the questions that are answered with yes contain one of these */
async function choose(choice: ItemChoice, yesTo: string[], pack = shown) {
  const asked: string[] = [];
  const items = await chooseItems(pack, choice, async (question) => {
    asked.push(question);
    return yesTo.some((part) => question.includes(part));
  });
  return { items: items && [...items], asked };
}

test("without a choice all is granted by one answer, or nothing", async () => {
  const all = ["group adm", "file /a", "file /b"];
  expect(await choose({}, ["Grant this"])).toMatchObject({ items: all });
  expect(await choose({}, [])).toMatchObject({ items: null });
  expect(await choose({ yes: true }, [])).toEqual({ items: all, asked: [] });
});

test("each item is asked about by its name, and no answer is a no", async () => {
  expect(await choose({ askEach: true }, ["file /b"])).toEqual({
    items: ["file /b"],
    asked: ["group adm", "file /a", "file /b"].map((item) => `Grant ${item} to acme/hello?`),
  });
  expect(await choose({ askEach: true }, [])).toMatchObject({ items: null });
});

test("only what is named is granted, after the question says so", async () => {
  const only = ["file /a", "group adm"];
  expect(await choose({ only, yes: true }, [])).toEqual({ items: only, asked: [] });
  const { items, asked } = await choose({ only }, []);
  expect([items, asked]).toEqual([
    null,
    ["Grant this to acme/hello on this host? Only file /a, group adm."],
  ]);
});

test.each([["file /c"], ["/a"], ["files /a"], ["group root"], ["toString"]])(
  "%j is no item of the pack and is refused",
  async (item) => {
    await expect(choose({ only: ["file /a", item], yes: true }, [])).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining(JSON.stringify(item)),
    });
  },
);

test("a downgrade is asked about before its items", async () => {
  const { items, asked } = await choose({ askEach: true }, ["file"], older);
  expect([items, asked]).toEqual([
    null,
    ["Go back to acme/hello 1.0.0 on this host, and grant it this?"],
  ]);
  expect(await choose({ askEach: true }, ["Go back", "/a"], older)).toMatchObject({
    items: ["file /a"],
  });
});

test("to be asked about each item goes with no answer in advance", async () => {
  for (const other of [{ yes: true }, { only: ["file /a"] }]) {
    await expect(choose({ askEach: true, ...other }, [])).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
  }
});
