import type { ProbeManifest, Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { classifySource, effectiveCapability, explainLevel } from "./classify-source.ts";

const limits = { timeoutMs: 500, maxBytes: 4096 };
const exec = (command: string, ...argv: Extract<Source, { kind: "exec" }>["argv"]): Source => ({
  kind: "exec",
  command,
  argv,
  ...limits,
});
const show = ["systemctl", "show", "--no-pager", "--timestamp=utc"] as const;
const unit = { unit: { type: "unit-name" } } as const;

test.each([
  exec("uname", "-srm"),
  exec("df", "-P"),
  exec("df", "--output=source,size,target"),
  exec("ps", "-eo", "pid,comm,rss"),
  exec("lscpu", "-J"),
  exec("free", "-b"),
  exec("uptime"),
  exec("ip", "-j", "-s", "link"),
  exec("lsblk", "-J", "-b", "-o", "NAME,SIZE"),
  exec("findmnt", "-J"),
  exec(...show, "--property=Version,SystemState"),
  exec(...show, "--property=Id,Result", "--all", "--", "*.service"),
  { ...exec(...show, "--property=Id", "--", { hole: "unit" }), holes: unit } as Source,
])("$command $argv is read-only", (source) => {
  expect(classifySource(source)).toBe("observe");
});

test.each([
  exec("sh", "-c", "df"),
  exec("df", "-P", "/etc"),
  exec("df", "-P", "--sync"),
  exec("df", "--output=source,size,file"),
  exec("df", "source,size"),
  exec("ps", "-eo", "pid,args"),
  exec("ps", "-eo", "pid,"),
  exec("ps", "-eo", "pid comm"),
  exec("ps", "eww"),
  exec("ip", "-j", "link", "set", "eth0", "down"),
  exec("ip", "-b", "/tmp/x"),
  exec("uname", "-a", "-a"),
  exec("systemctl", "stop", "sshd"),
  exec(...show),
  exec(...show, "--property=Environment"),
  exec(...show, "--property=Id,ExecStart"),
  exec(...show, "--property=Id", "--host=evil"),
  { ...exec(...show, "--property=Id", { hole: "unit" }), holes: unit } as Source,
  exec("docker", "ps"),
  exec("constructor"),
  { ...exec("df", "-P", { hole: "path" }), holes: { path: { type: "container-name" } } } as Source,
  { ...exec("df", { hole: "flag" }), holes: { flag: { type: "enum", values: ["-P"] } } } as Source,
])("$command $argv is not", (source) => {
  expect(classifySource(source)).toBe("manage");
});

const get = (path: Extract<Source, { kind: "http" }>["path"], more: object = {}): Source => ({
  kind: "http",
  socket: "/var/run/docker.sock",
  path,
  ...limits,
  ...more,
});
const name = { name: { type: "container-name" } } as const;

test.each([
  get("/_ping"),
  get("/containers/json", { query: { all: "true" } }),
  get(["/containers/", { hole: "name" }, "/json"], { holes: name }),
  get("/info", { socket: "/run/podman/podman.sock" }),
])("GET $path over $socket only looks", (source) => {
  expect(classifySource(source)).toBe("observe");
});

test.each([
  get("/status", { socket: "/run/supervisor.sock" }),
  get("/index.html", { socket: "/run/supervisor.sock", query: { action: "stopall" } }),
  get("/info", { socket: "/run/docker.sock.old" }),
  get("/containers/json", { query: { action: "stop" } }),
  get(["/containers/", { hole: "name" }, "/attach/ws"], { holes: name }),
  get(["/containers/", { hole: "name" }, "/json"], {
    holes: { name: { type: "enum", values: ["x"] } },
  }),
  get(["/", { hole: "name" }], { holes: name }),
  get("/containers/<container-name>/json/"),
  get("constructor"),
])("a GET is not always a look: $path over $socket", (source) => {
  expect(classifySource(source)).toBe("manage");
});

test("root on a host says which commands and requests only look there", () => {
  const status = get("/status", { socket: "/run/supervisor.sock" });
  const listed = new Set([
    "socket /run/supervisor.sock GET /status",
    "command systemctl list-units",
  ]);
  expect(classifySource(status, listed)).toBe("observe");
  expect(classifySource(exec("systemctl", "list-units"), listed)).toBe("observe");
  expect(classifySource(exec("systemctl", "list-units", "--all"), listed)).toBe("manage");
  expect(classifySource({ ...status, path: "/status/x" } as Source, listed)).toBe("manage");
  expect(classifySource({ ...status, query: { a: "1" } } as Source, listed)).toBe("manage");
});

test("on such a host a label counts only if it is higher than the sources need elsewhere", () => {
  const shape = {
    ...{ type: "object", properties: {}, required: [], additionalProperties: false },
  } as unknown as ProbeManifest["params"];
  const levelOf = (source: Source, capability: "observe" | "manage", listed: string[]) => {
    const reads = { it: { source: "it" } };
    const probe = { description: "Says hello.", params: shape, result: shape, capability, reads };
    const manifest = { sources: { it: source }, probes: { greet: probe } };
    return effectiveCapability(manifest, "greet", new Set(listed));
  };
  const stop = exec("systemctl", "list-units");
  expect(levelOf(stop, "manage", ["command systemctl list-units"])).toBe("observe");
  expect(levelOf(stop, "manage", ["command systemctl"])).toBe("manage");
  expect(levelOf(exec("df", "-P"), "manage", ["command df -P"])).toBe("manage");
});

test.each([
  [exec("df", "-P", "/etc"), "its nearest form is df -P"],
  [exec("df", "--sync", "-B1", "-P"), "its nearest form is df -B1 -P"],
  [exec("df", "--output=source,file"), "its nearest form is df --output=source,fstype,itotal"],
  [exec("ps", "-eo", "pid,args"), "its nearest form is ps -eo pid,ppid"],
  [exec("systemctl", "list-units"), "its nearest form is systemctl list-units --all"],
  [exec("docker", "ps"), "it has no form of docker"],
  [exec("constructor"), "it has no form of constructor"],
])("$command $argv: the table and what is nearest in it are named", (source, near) => {
  const said = explainLevel(source);
  expect(said).toContain("is not in the table of read-only commands (docs/pack-reference.md)");
  expect(said).toContain(near);
});

test.each([
  [
    get("/containers/json", { query: { all: "1", force: "1" } }),
    "GET /containers/json, whose query may have all, limit, size, filters",
  ],
  [get("/v1.41/containers/json"), "GET /containers/json, whose query"],
  [
    get(["/containers/", { hole: "name" }, "/json"], { holes: { name: { type: "hostname" } } }),
    "GET /containers/<container-name>/json, whose query may have size",
  ],
  [get("/_ping", { query: { a: "1" } }), "GET /_ping, without a query"],
])("GET $path $query: the nearest request of the table is named", (source, near) => {
  const said = explainLevel(source);
  expect(said).toContain("is not in the table of requests that only look (docs/pack-reference.md)");
  expect(said).toContain(`its nearest form is ${near}`);
});

test.each([
  [
    get("/status", { socket: "/run/supervisor.sock" }),
    "it has no form over /run/supervisor.sock; it has some over /run/docker.sock, /var/run/docker.sock,",
  ],
  [get("/stop"), "it has no form like /stop"],
])("a request that is like none of the table: $path over $socket", (source, said) => {
  expect(explainLevel(source)).toContain(said);
});

test("a source that only reads has nothing to explain", () => {
  expect(explainLevel(exec("df", "-P"))).toBeNull();
});

test("the author's label can raise the level and never lower it", () => {
  const sources = { stop: exec("systemctl", "stop", "sshd") };
  const nothing = { type: "object", properties: {}, required: [], additionalProperties: false };
  const shape = nothing as ProbeManifest["params"];
  const greet = { description: "Says hello.", params: shape, result: shape };
  const labelled = (capability: "observe" | "manage", reads: ProbeManifest["reads"]): string =>
    effectiveCapability({ sources, probes: { greet: { ...greet, capability, reads } } }, "greet");
  expect(labelled("observe", { stop: { source: "stop" } })).toBe("manage");
  expect(labelled("observe", {})).toBe("observe");
  expect(labelled("manage", {})).toBe("manage");
  expect(effectiveCapability({ sources: {}, probes: {} }, "toString")).toBe("manage");
});
