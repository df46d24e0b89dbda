import { CATEGORIES, ENGINES, type Manifest, type Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { categoryOf, describeCategory } from "./categories.ts";
import { describeLevel } from "./classify-source.ts";
import { deriveReach } from "./derive-reach.ts";
import { describeEngine, engineOf } from "./engines.ts";
import { describeGroup, isRootGroup } from "./root-groups.ts";

const limits = { timeoutMs: 100, maxBytes: 4096 };
const file = (path: string): Source => ({ kind: "file", path, ...limits });
const exec = (command: string, ...argv: string[]): Source => ({
  ...{ kind: "exec", command, argv, ...limits },
});
const sql = (engine: "postgres" | "mysql"): Source => ({
  ...{ kind: "sql", engine, socket: "/run/x.sock", database: "x", statement: "SELECT 1" },
  ...{ maxRows: 1, ...limits },
});
const http = (more: object): Source => ({ kind: "http", path: "/", ...limits, ...more });
const certificates = (path: string): Source => ({
  ...{ kind: "certificates", path, depth: 1, maxEntries: 1, ...limits },
});

test.each<[Source, string, string | null]>([
  [file("/proc/meminfo"), "files", null],
  [file("/etc/nginx/nginx.conf"), "files", "nginx"],
  [file("/etc/nginx"), "files", "nginx"],
  // A near miss is no part of the folder.
  [file("/etc/nginx-extra/a.conf"), "files", null],
  [exec("systemctl", "list-units"), "commands", "systemd"],
  [exec("uname", "-a"), "commands", null],
  [http({ socket: "/var/run/docker.sock" }), "services", "docker"],
  [http({ endpoint: "127.0.0.1:80" }), "services", null],
  [http({ endpoint: "a.example:443", tls: true }), "network", null],
  [sql("postgres"), "sql", "postgresql"],
  [sql("mysql"), "sql", "mysql"],
  [{ kind: "redis", socket: "/r", command: "INFO", ...limits }, "redis", "redis"],
  [{ kind: "journal", show: "boots", ...limits }, "journal", "systemd"],
  [{ kind: "tls", endpoint: "a.example:443", ...limits }, "network", null],
  [{ kind: "dns", server: "resolver", name: "a", type: "A", ...limits }, "network", null],
  [{ kind: "filesystem", ...limits }, "files", null],
  // The certificates beside a program's files say nothing of the program.
  [certificates("/etc/nginx"), "files", null],
])("what a source reads, and of which program: %j", (source, category, engine) => {
  expect([categoryOf(source), engineOf(source)]).toEqual([category, engine]);
});

test("a hole does not hide the folder that it is in", () => {
  const path = [{ hole: "log" }] as [{ hole: string }];
  const holes = { log: { type: "path-beneath" as const, root: "/var/log/nginx" } };
  expect(engineOf({ kind: "file", path, holes, ...limits })).toBe("nginx");
});

test("a pack's reach is counted from its sources, whatever its labels say", () => {
  const probe = { description: "x", capability: "observe", params: {}, result: {} };
  const reads = { it: { source: "stop" } };
  const manifest = {
    sources: {
      ...{ a: file("/etc/redis/redis.conf"), b: file("/proc/stat"), db: sql("postgres") },
      stop: exec("systemctl", "stop", "nginx"),
    },
    probes: { x: { ...probe, reads } },
    requires: { groups: ["adm", "docker"], commands: [], files: [], sockets: [] },
  } as unknown as Manifest;
  expect(deriveReach(manifest)).toEqual({
    capability: "manage",
    groups: [
      { name: "adm", isRoot: false },
      { name: "docker", isRoot: true },
    ],
    reads: [
      { category: "files", count: 2 },
      { category: "commands", count: 1 },
      { category: "sql", count: 1 },
    ],
    engines: ["postgresql", "redis", "systemd"],
  });
});

test("each category, program, level and kind of group has words of its own", () => {
  const words = [
    ...CATEGORIES.map((category) => describeCategory(category).words),
    ...CATEGORIES.map((category) => describeCategory(category).label),
    ...ENGINES.map(describeEngine),
    ...(["observe", "interact", "manage"] as const).map((level) => describeLevel(level).label),
    ...["docker", "adm"].map((group) => describeGroup(group).label),
  ];
  // Redis is a category and a program.
  expect(new Set(words).size).toBe(words.length - 1);
  expect(words.every((text) => text.length > 2)).toBe(true);
  expect(["docker", "disk", "shadow", "adm", "dockerx", ""].map(isRootGroup)).toEqual([
    ...[true, true, true, false, false, false],
  ]);
});
