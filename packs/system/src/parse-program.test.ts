import { expect, test } from "vitest";
import { parseProgram } from "./parse-program.ts";

const cmdline = (...argv: string[]) => argv.map((argument) => `${argument}\0`).join("");

test.each([
  [["/usr/sbin/nginx", "-g", "daemon off;"], "nginx"],
  [["node", "/srv/shop/server.js", "--token=abc"], "node server.js"],
  [["/usr/bin/node", "--max-old-space-size=4096", "/srv/a/worker.mjs", "x"], "node worker.mjs"],
  [["python3.11", "/opt/tool.py", "secret"], "python3.11 tool.py"],
  [["python3", "-u", "/opt/tool.py"], "python3 tool.py"],
  [["node", "--enable-source-maps", "--no-warnings", "dist/main.js"], "node main.js"],
  [["sh", "./run.sh"], "sh run.sh"],
  [["/bin/bash", "-e", "/etc/cron.daily/dump"], "bash dump"],
])("%j is the program %s", (argv, program) => {
  expect(parseProgram(cmdline(...argv))).toBe(program);
});

// Attack 54.
test.each([
  [["node", "-e", "connect('secret')"], "node"],
  [["node", "--require", "secret", "app.js"], "node"],
  [["bash", "-c", "mysql -psecret"], "bash"],
  [["sh", "-ec", "secret"], "sh"],
  [["python3", "-c", "secret"], "python3"],
  [["perl", "-e", "secret"], "perl"],
  [["python3", "-", "secret"], "python3"],
  [["python3", "-W", "secret", "a.py"], "python3"],
  [["node", "https://user:secret@host/"], "node"],
  [["curl", "secret"], "curl"],
  [["node"], "node"],
])("no argument of %j but a script is told", (argv, program) => {
  expect(parseProgram(cmdline(...argv))).toBe(program);
});

test.each([
  ["a kernel thread", ""],
  ["a title", "postgres: alice shop SELECT\0\0\0"],
  ["a title with a path", "sshd: root@pts/0\0"],
  ["a login shell", "-bash\0"],
  ["control characters", "/bin/a\u001b[2J\0"],
  ["a name that was cut", "/usr/bin/na"],
  ["an empty name", "\0x\0"],
  ["a folder", "/usr/bin/\0"],
])("%s gives no program", (_, text) => {
  expect(parseProgram(text)).toBe(null);
});
