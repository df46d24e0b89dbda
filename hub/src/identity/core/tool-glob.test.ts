import { ToolGlob } from "@sonde/schemas/policy";
import { buildParser } from "@sonde/schemas/parse";
import { expect, test } from "vitest";
import { compileGlob } from "./tool-glob.ts";

const parseGlob = buildParser(ToolGlob, "glob", "BAD_REQUEST");

test.each([
  ["system.overview", ["system.overview"]],
  ["system.*", ["system.overview", "system.x"]],
  ["system.**", ["system.overview", "system.disk.usage", "system.a.b.c"]],
  ["system.disk.*", ["system.disk.usage"]],
  ["*.overview", ["system.overview", "docker.overview"]],
  ["sys*.over*w", ["system.overview", "sys.overw"]],
  ["*-*.*a*b*c*", ["web-log.abc", "a-b.xaxbxcx", "-.a-b-c"]],
  ["**", []],
  ["acme/web.**", ["acme/web.page", "acme/web.page.status"]],
  ["acme/*.page", ["acme/web.page"]],
  ["*/web.page", ["acme/web.page", "other/web.page"]],
])("%s chooses %j", (glob, probes) => {
  if (glob === "**") {
    expect(() => parseGlob(glob)).toThrow(/glob/);
    return;
  }
  const { fits } = compileGlob(parseGlob(glob));
  for (const probe of probes) expect(fits(probe), probe).toBe(true);
});

// Attack 39: near misses.
test.each([
  [
    "system.overview",
    ["system.overvie", "system.overviews", "system.overview.x", "xsystem.overview"],
  ],
  [
    "system.overview",
    ["acme/system.overview", "SYSTEM.overview", "system.Overview", "system_overview"],
  ],
  ["system.*", ["system", "system.disk.usage", "systems.overview", "acme/system.overview"]],
  ["system.**", ["system", "systemd.units", "acme/system.overview", "x/system.overview"]],
  ["system.disk.**", ["system.disk", "system.diskx.usage", "system.overview"]],
  ["*.overview", ["system.disk.overview", "acme/system.overview", "overview"]],
  ["sys*m.*", ["system.a.b", "sysmx.a", "xsystem.a"]],
  ["ab*ba.*", ["aba.x", "ab.x", "abab.x"]],
  ["a*b*b.x", ["ab.x", "a-b.x"]],
  ["acme/web.**", ["web.page", "acme2/web.page", "acme/web2.page", "acm/web.page"]],
  ["*/web.page", ["web.page", "acme/web.page.status"]],
])("%s does not choose %j", (glob, probes) => {
  const { fits } = compileGlob(parseGlob(glob));
  for (const probe of probes) expect(fits(probe), probe).toBe(false);
});

test.each([
  ...["", "*", "**", "system", "system.", ".overview", "system..overview", "system.**.usage"],
  ...["**.usage", "sys**.x", "system.o**", "System.overview", "system.[a-z]*", "system.(a|b)"],
  ...["system.?", "system.overview$", "^system.*", "acme/", "/system.*", "a/b/c.d", "system.a\n"],
  ...["system.*.*.*.*.*.*.*", `system.${"a".repeat(160)}`, "acme/**", "**/web.x", "system/.*"],
])("%j is no glob", (text) => {
  expect(() => parseGlob(text)).toThrow(/glob/);
});

test("the longest glob of stars takes as long as its text, whatever it is asked", () => {
  const glob = parseGlob(`${"*a".repeat(60)}*.x`);
  const { fits } = compileGlob(glob);
  const asked = `${"a".repeat(20_000)}b.y`;
  // A matcher that tries every place for every star does not come back from this.
  for (let times = 0; times < 1000; times++) expect(fits(asked)).toBe(false);
  expect(fits(`${"a".repeat(60)}.x`)).toBe(true);
  expect(fits(`${"a".repeat(59)}.x`)).toBe(false);
});
