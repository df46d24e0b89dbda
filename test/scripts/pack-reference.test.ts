import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { hole, source, t } from "@sonde/pack-sdk/author";
import { Hole, SOURCE_KINDS } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { renderPackReference } from "../../scripts/pack-reference.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = renderPackReference(root);

test("the committed reference is what the code gives", () => {
  expect(readFileSync(`${root}/docs/pack-reference.md`, "utf8")).toBe(text);
});

test("it has every source with its options, every hole, every function of `t`", () => {
  expect(Object.keys(source).toSorted()).toEqual([...SOURCE_KINDS].toSorted());
  for (const kind of SOURCE_KINDS) expect(text).toContain(`### \`source.${kind}\``);
  expect(Object.keys(hole)).toHaveLength(Hole.anyOf.length);
  for (const name of Object.keys(hole)) expect(text).toContain(`- \`hole.${name}(name: string`);
  for (const name of Object.keys(t)) expect(text).toContain(`- \`t.${name}(`);
  expect(text).toContain("- `timeoutMs`: integer of 10 to 30000, by default `5000`");
  expect(text).toContain("- `tailBytes`: integer of 1 to 8388608, optional");
});

test("it has every form of a command that only reads", () => {
  expect(text).toContain("`df -P -k`");
  expect(text).toContain("`ps -eo NAMES`");
  expect(text).toContain("`systemctl list-units --all --no-pager --output=json`");
});
