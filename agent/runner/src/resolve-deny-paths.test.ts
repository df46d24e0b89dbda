import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseRunnerOutcomes } from "@sonde/schemas/reads";
import { performReads } from "./powers/powers.ts";
import { resolveDenyPaths } from "./resolve-deny-paths.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "sonde-deny-")));
afterAll(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, "disk"));
writeFileSync(join(root, "disk", "key"), "secret");
symlinkSync(join(root, "disk"), join(root, "data"));

test("a data folder that is a link denies the folder behind it", async () => {
  const denyPaths = resolveDenyPaths([join(root, "data")]);
  const path = join(root, "disk", "key");
  const source = { kind: "file", path, timeoutMs: 1000, maxBytes: 100 } as const;
  const reads = [{ name: "it", source, values: {} }];
  const { outcomes } = await performReads(reads, 2000, { denyPaths, onOverdue() {} });
  const done = parseRunnerOutcomes(JSON.parse(outcomes.toString("utf8")));
  expect(done["it"]).toMatchObject({ ok: false, failure: { code: "READ_NOT_GRANTED" } });
});

test("an absent path is denied as written; a loop of links is an error", () => {
  const absent = join(root, "absent");
  expect(resolveDenyPaths([absent])).toEqual([absent]);
  symlinkSync(join(root, "loop"), join(root, "loop"));
  expect(() => resolveDenyPaths([join(root, "loop")])).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID" }),
  );
});
