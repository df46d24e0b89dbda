import { expect, test } from "vitest";
import { drawDisks } from "./draw-disks.ts";

const disk = (mountPoint: string, usedPercent: number) => ({
  ...{ mountPoint, usedPercent, usedBytes: 1536, totalBytes: 3 * 1024 ** 3 },
});

test("each filesystem has a bar, and names do not reach the terminal as commands", () => {
  const drawn = drawDisks({
    filesystems: [disk("/", 50), disk("/a\u001b[2J", 100), disk("/b", 0)],
  });
  expect(drawn?.split("\n")).toEqual([
    "  /            [##########----------]  50 %  1.5 KiB of 3.0 GiB",
    "  /a\\u001b[2J  [####################] 100 %  1.5 KiB of 3.0 GiB",
    "  /b           [--------------------]   0 %  1.5 KiB of 3.0 GiB",
  ]);
});

test.each([
  [2 ** 63, "8.0 EiB"],
  [2 ** 64, "16.0 EiB"],
])("the size of a share that has no end is drawn: %i bytes", (totalBytes, drawn) => {
  const filesystems = [{ ...disk("/s", 0), totalBytes }];
  expect(drawDisks({ filesystems })).toMatch(new RegExp(`0 % {2}1\\.5 KiB of ${drawn}$`));
});

test("data of another shape is left to the caller", () => {
  for (const data of [null, {}, { filesystems: [{ mountPoint: "/" }] }, { filesystems: [null] }]) {
    expect(drawDisks(data)).toBeNull();
  }
});
