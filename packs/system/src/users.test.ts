import { expect, test } from "vitest";
import { users } from "./users.ts";

const file = (text: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { text } }],
});

test("root by another name, by a group and by a primary group are found; half a line is no account", () => {
  const accounts = [
    "root:x:0:0:root:/root:/bin/bash",
    "toor:x:0:0::/root:/bin/sh",
    "ann:x:1000:1000:Ann:/home/ann:/bin/bash",
    "runner:x:999:998::/srv:/usr/sbin/nologin",
    "+@admins::::::",
    "half:x:1001",
  ].join("\n");
  const groups = ["root:x:0:", "sudo:x:27:ann,ben", "docker:x:998:", "users:x:100:ann"].join("\n");
  expect(
    users.call({ params: {}, now: 0, reads: { accounts: file(accounts), groups: file(groups) } }),
  ).toEqual({
    accountCount: 4,
    logins: [
      { name: "root", userId: 0, home: "/root", shell: "/bin/bash" },
      { name: "toor", userId: 0, home: "/root", shell: "/bin/sh" },
      { name: "ann", userId: 1000, home: "/home/ann", shell: "/bin/bash" },
    ],
    rootEquivalent: [
      { name: "ann", by: "group sudo: sudo" },
      { name: "ben", by: "group sudo: sudo" },
      { name: "runner", by: "group docker: starts containers as root" },
      { name: "toor", by: "group root: reads and writes what root's group may" },
      { name: "toor", by: "user id 0" },
    ],
    incomplete: false,
  });
});
