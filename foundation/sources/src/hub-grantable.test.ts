import type { HubMayGrant } from "@sonde/schemas/agent";
import type { Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { listHubGrantable, mayHubGrant } from "./hub-grantable.ts";

const limits = { timeoutMs: 500, maxBytes: 99 };
const file = (path: string): Source => ({ kind: "file", path, ...limits });
const command = (name: string, ...argv: string[]): Source => ({
  kind: "exec",
  command: name,
  argv,
  ...limits,
});
const byDefault: HubMayGrant = ["/proc", "/sys", "read-only-commands"];

/** Of each kind, what only a person on the host may grant. */
const NEVER: [string, Source][] = [
  ["a file elsewhere", file("/etc/hostname")],
  ["a file whose name begins like a folder", file("/process/list")],
  [
    "a file beneath a folder of the caller's choice",
    {
      ...{ kind: "file", path: [{ hole: "at" }], ...limits },
      holes: { at: { type: "path-beneath", root: "/srv" } },
    },
  ],
  ["a command that is not in the table", command("nginx", "-T")],
  ["another argv of a command that is", command("df", "-P", "/root")],
  ["a socket", { kind: "http", socket: "/run/docker.sock", path: "/info", ...limits }],
  ["a port", { kind: "http", endpoint: "127.0.0.1:80", path: "/", ...limits }],
  [
    "a name server",
    { kind: "dns", server: "192.0.2.1:53", name: "a.example", type: "A", ...limits },
  ],
  ["a certificate of another host", { kind: "tls", endpoint: "192.0.2.1:443", ...limits }],
  [
    "SQL",
    {
      kind: "sql",
      engine: "postgres",
      socket: "/run/postgresql/.s.PGSQL.5432",
      database: "postgres",
      statement: "SELECT 1",
      maxRows: 1,
      ...limits,
    },
  ],
  ["the journal", { kind: "journal", show: "rows", newest: 10, ...limits }],
];

// Attack 80.
test.each(NEVER)("a hub never grants %s", (_, source) => {
  expect(mayHubGrant(source, byDefault)).toBe(false);
});

test.each<[string, Source]>([
  ["a file of /proc", file("/proc/meminfo")],
  [
    "the files of each process",
    {
      kind: "directory",
      path: "/proc",
      names: "numeric",
      child: "stat",
      maxEntries: 9,
      ...limits,
    },
  ],
  ["a file of /sys", file("/sys/class/net/lo/mtu")],
  ["a command of the table", command("df", "-P")],
  ["the sizes of mounts", { kind: "filesystem", ...limits }],
])("a hub may grant %s, unless the host says that it grants nothing", (_, source) => {
  expect(mayHubGrant(source, byDefault)).toBe(true);
  expect(mayHubGrant(source, "none")).toBe(false);
  expect(mayHubGrant(source, [])).toBe(false);
});

test("each word of the host counts by itself", () => {
  expect(mayHubGrant(file("/proc/meminfo"), ["/sys", "read-only-commands"])).toBe(false);
  expect(mayHubGrant(command("df", "-P"), ["/proc", "/sys"])).toBe(false);
  expect(mayHubGrant(file("/srv/log/a"), ["/srv/log"])).toBe(true);
  expect(mayHubGrant(file("/srv/logs/a"), ["/srv/log"])).toBe(false);
});

test("a folder of the host's is no word for a socket in it", () => {
  const socket: Source = { kind: "http", socket: "/run/docker.sock", path: "/info", ...limits };
  expect(mayHubGrant(socket, ["/run"])).toBe(false);
});

test("an item counts when every source that needs it may be granted", () => {
  const sources = {
    memory: file("/proc/meminfo"),
    name: file("/etc/hostname"),
    disks: command("df", "-P"),
  };
  expect([...listHubGrantable({ sources }, byDefault)].toSorted()).toEqual([
    "command df -P",
    "file /proc/meminfo",
  ]);
});
