import type { Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { describeSecrets } from "./secret-paths.ts";

const limits = { timeoutMs: 500, maxBytes: 4096 };
type FileSource = Extract<Source, { kind: "file" }>;
const file = (path: FileSource["path"], holes: FileSource["holes"] = {}): Source => ({
  ...{ kind: "file", path, ...limits },
  ...(Object.keys(holes).length > 0 && { holes }),
});
const beneath = (root: string): Source =>
  file([{ hole: "path" }], { path: { type: "path-beneath", root } });
const named = (...path: Exclude<FileSource["path"], string>): Source =>
  file(path, { name: { type: "unit-name" } });

test.each([
  file("/etc/shadow"),
  file("/etc/shadow-"),
  file("/etc/ssh/ssh_host_ed25519_key"),
  file("/etc/ssl/private/web.pem"),
  file("/root/.ssh/id_rsa"),
  file("/home/ada/.aws/credentials"),
  named("/etc/", { hole: "name" }),
  named("/etc/sha", { hole: "name" }),
  named("/home/", { hole: "name" }, "/.env"),
  beneath("/etc"),
  beneath("/home"),
  beneath("/root"),
  {
    kind: "directory",
    path: "/root",
    names: "all",
    child: "x",
    maxEntries: 1,
    ...limits,
  } as Source,
])("$path may be secret", (source) => {
  expect(describeSecrets(source)).toMatch(/ can be .*: /);
});

test.each([
  file("/etc/passwd"),
  file("/etc/ssh/ssh_host_ed25519_key.pub"),
  file("/etc/ssh/sshd_config"),
  file("/proc/stat"),
  file("/etc/shad"),
  file("/var/log/root/x"),
  named("/etc/cron.d/", { hole: "name" }),
  named("/etc/", { hole: "name" }, ".conf"),
  beneath("/srv"),
  beneath("/var/log"),
  { kind: "filesystem", ...limits } as Source,
  { kind: "exec", command: "cat", argv: ["/etc/shadow"], ...limits } as Source,
])("$kind $path $command is not known to be", (source) => {
  expect(describeSecrets(source)).toBeNull();
});
