import { expect, test } from "vitest";
import { parseMountInfo } from "./mount-info.ts";

const hiddenOf = (text: string) =>
  parseMountInfo(text).map(({ mountPoint, device, isHidden }) => [mountPoint, device, isHidden]);

test("a row is one by its mount id: where a walk along its path does not arrive, it is hidden", () => {
  // proc_pid_mountinfo(5): id, parent, device, root, mount point, options, tags - type source options
  const table = `
    22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
    30 22 0:40 / /v/tmp rw - tmpfs a rw
    31 22 0:41 / /v rw - tmpfs b rw
    32 31 0:42 / /v/deep rw - tmpfs c rw
    33 22 0:43 / /s rw - tmpfs first rw
    34 33 0:44 / /s rw - tmpfs second rw
    35 33 0:45 / /s/x rw - tmpfs beneath-first rw
    36 22 0:46 / /gone//deleted rw - tmpfs d rw
  `.replaceAll(/^ +/gm, "");
  expect(hiddenOf(table)).toEqual([
    ["/", "/dev/sda1", false],
    ["/gone//deleted", "d", true],
    ["/s", "first", true],
    ["/s", "second", false],
    ["/s/x", "beneath-first", true],
    ["/v", "b", false],
    ["/v/deep", "c", false],
    ["/v/tmp", "a", true],
  ]);
});

test("the table of a changed root begins with mounts whose parent is not in it", () => {
  const table = "40 7 0:40 / /proc rw - proc proc rw\n41 7 8:2 /x /data rw - ext4 /dev/sdb rw\n";
  expect(hiddenOf(table)).toEqual([
    ["/data", "/dev/sdb", false],
    ["/proc", "proc", false],
  ]);
});

test("the root itself can be mounted over", () => {
  const table = "1 1 0:2 / / rw - rootfs none rw\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
  expect(hiddenOf(table)).toEqual([
    ["/", "none", true],
    ["/", "/dev/sda1", false],
  ]);
});

test.each([
  ["a\\011b\\012c", "a\tb\nc"],
  ["\\043a\\040\\134b", "#a \\b"],
  // A name that looks like an escape itself.
  ["a\\134040b", "a\\040b"],
])("the mount point and the source %s are unescaped once", (written, name) => {
  const [mount] = parseMountInfo(`22 1 8:1 / /${written} rw - fuse ${written} rw`);
  expect(mount).toMatchObject({ mountPoint: `/${name}`, device: name, isHidden: false });
});

test("names are unescaped, an empty source is kept, and a cut line is no mount", () => {
  const text = "22 1 8:1 / /a\\040b\\134 rw - tmpfs  rw,size=4k\n23 22 8:2 / /cut";
  expect(parseMountInfo(text)).toEqual([
    {
      mountPoint: "/a b\\",
      device: "",
      deviceNumber: "8:1",
      type: "tmpfs",
      options: "rw",
      filesystemOptions: ["rw", "size=4k"],
      isHidden: false,
    },
  ]);
});
