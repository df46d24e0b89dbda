import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, type Source } from "@sonde/schemas/manifest";
import { deriveRequires } from "@sonde/sources";
import { expect, test } from "vitest";
import { buildSampleManifest } from "../testing/index.ts";
import { checkManifest, formatManifest, parseManifest } from "./index.ts";

type Probe = Manifest["probes"][string];

function verdict(value: unknown): string {
  try {
    checkManifest(value);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : `no code: ${String(error)}`;
  }
}

const limits = { timeoutMs: 500, maxBytes: 4096 };
const sample = buildSampleManifest();
const probe = sample.probes["greet"] as Probe;

/** A manifest with this one source, whose holes are filled from these parameters. */
function withSource(source: Source, params: object = {}, fill: object = {}): unknown {
  return {
    ...sample,
    sources: { it: source },
    requires: { groups: [], ...deriveRequires({ it: source }) },
    probes: {
      greet: {
        ...probe,
        params: {
          type: "object",
          properties: params,
          required: Object.keys(params),
          additionalProperties: false,
        },
        reads: { it: { source: "it", ...(Object.keys(fill).length > 0 && { with: fill }) } },
      },
    },
  };
}
const file = (
  path: Extract<Source, { kind: "file" }>["path"],
  holes?: Source["holes"],
): Source => ({
  kind: "file",
  path,
  ...limits,
  ...(holes !== undefined && { holes }),
});

test("a valid manifest is accepted, in one spelling only", () => {
  expect(verdict(sample)).toBe("accepted");
  const text = formatManifest(sample);
  expect(parseManifest(Buffer.from(text))).toEqual(sample);
  for (const other of [text.trimEnd(), `\ufeff${text}`, JSON.stringify(sample), `${text}\n`]) {
    expect(() => parseManifest(Buffer.from(other))).toThrowError(
      expect.objectContaining({ code: "MANIFEST_INVALID" }),
    );
  }
});

test("attack 8: a manifest that has a member twice is refused by that name", () => {
  const text = formatManifest(sample).replace("{", '{"name":"acme/other",');
  expect(() => parseManifest(Buffer.from(text))).toThrowError(
    /expected each member once, got "name"/,
  );
});

test("requires are what the sources need, no more and no less", () => {
  const source = file("/proc/loadavg");
  const right = withSource(source) as Manifest;
  expect(verdict(right)).toBe("accepted");
  for (const requires of [
    { ...right.requires, files: [] },
    { ...right.requires, files: ["/proc/loadavg", "/etc/hostname"] },
    { ...right.requires, commands: ["df"] },
    { ...right.requires, sockets: ["/run/docker.sock"] },
    { ...right.requires, hosts: ["resolver DNS A example.com"] },
    { ...right.requires, hosts: [] },
  ]) {
    expect(verdict({ ...right, requires })).toBe("REQUIRES_MISMATCH");
  }
  expect(verdict({ ...right, requires: { ...right.requires, groups: ["docker"] } })).toBe(
    "accepted",
  );
});

test("requires have the questions to name servers, and may not be without them", () => {
  const asks: Source = {
    ...{ kind: "dns", server: "resolver", name: "example.com", type: "A", ...limits },
  };
  const right = withSource(asks) as Manifest;
  expect(right.requires.hosts).toEqual(["resolver DNS A example.com"]);
  expect(verdict(right)).toBe("accepted");
  const { hosts: _, ...without } = right.requires;
  expect(verdict({ ...right, requires: without })).toBe("REQUIRES_MISMATCH");
});

test("a pack that reads the journal declares its group", () => {
  const journal: Source = { kind: "journal", show: "boots", ...limits };
  const right = withSource(journal) as Manifest;
  const grouped = (groups: string[]): unknown => ({
    ...right,
    requires: { ...right.requires, groups },
  });
  expect(verdict(grouped(["systemd-journal"]))).toBe("accepted");
  expect(verdict(grouped(["adm"]))).toBe("MANIFEST_INVALID");
});

test("each list of requires is sorted, unique and shows holes", () => {
  const command: Source = { kind: "exec", command: "df", argv: ["-P"], ...limits };
  expect(
    deriveRequires({
      b: file("/var/log/b.log"),
      a: file("/etc/hostname"),
      again: file("/etc/hostname"),
      unit: file(["/var/log/app-", { hole: "name" }, ".log"], { name: { type: "container-name" } }),
      below: file([{ hole: "path" }], { path: { type: "path-beneath", root: "/var/log/nginx" } }),
      stats: {
        kind: "directory",
        path: "/proc",
        names: "numeric",
        child: "stat",
        maxEntries: 9,
        ...limits,
      },
      listing: { kind: "directory", path: "/etc/cron.d", names: "all", maxEntries: 9, ...limits },
      mounts: { kind: "filesystem", ...limits },
      df: command,
      df2: command,
      docker: { kind: "http", socket: "/run/docker.sock", path: "/v1/info", ...limits },
    }),
  ).toEqual({
    commands: ["df -P"],
    files: [
      "/etc/cron.d",
      "/etc/hostname",
      "/proc/*/stat",
      "/proc/self/mountinfo",
      "/var/log/app-*.log",
      "/var/log/b.log",
      "/var/log/nginx/**",
    ],
    sockets: ["/run/docker.sock GET /v1/info"],
  });
});

test("a command is granted with its arguments, a request with its query", () => {
  const commandOf = (argv: Extract<Source, { kind: "exec" }>["argv"], holes = {}): string =>
    deriveRequires({ it: { kind: "exec", command: "ls", argv, holes, ...limits } }).commands.join();
  const x = { hole: "x" };
  expect(commandOf([])).toBe("ls");
  expect(commandOf(["-l", "--time-style=+%s"])).toBe("ls -l --time-style=+%s");
  expect(commandOf(["-l -a"])).toBe('ls "-l -a"');
  expect(commandOf(["<hostname>", "*", 'a"b'])).toBe(String.raw`ls "<hostname>" "*" "a\"b"`);
  expect(commandOf([x], { x: { type: "hostname" } })).toBe("ls <hostname>");
  expect(commandOf([x], { x: { type: "integer", minimum: 1, maximum: 9 } })).toBe("ls <1..9>");
  expect(commandOf([x], { x: { type: "enum", values: ["up", "down"] } })).toBe("ls <up|down>");
  expect(commandOf([x], { x: { type: "path-beneath", root: "/srv" } })).toBe("ls /srv/**");

  const requestOf = (query: NonNullable<Extract<Source, { kind: "http" }>["query"]>): string =>
    deriveRequires({
      it: {
        kind: "http",
        socket: "/run/d.sock",
        path: "/logs",
        query,
        holes: { x: { type: "integer", minimum: 1, maximum: 9 } },
        ...limits,
      },
    }).sockets.join();
  expect(requestOf({})).toBe("/run/d.sock GET /logs");
  expect(requestOf({ tail: x, stdout: "true" })).toBe(
    "/run/d.sock GET /logs?stdout=true&tail=<1..9>",
  );
  expect(requestOf({ a: "1&b=<x>" })).toBe("/run/d.sock GET /logs?a=1%26b%3D%3Cx%3E");
});

test.each([
  "relative/path",
  "/etc/../root/.ssh/id_rsa",
  "/etc/./hostname",
  "/etc//hostname",
  "/etc/",
  "/",
  "/etc/host\u0000name",
  "/etc/host\nname",
  "/etc/h*",
  "/etc/host%2e",
  "/etc/\u202etxt",
  "/proc/1/environ",
  "/proc/self/mem",
  "/proc/self/fd/3",
  "/proc/self/root/etc/shadow",
  "/proc/self/cwd/x",
  "/proc/thread-self/maps",
  "/proc/1/task/1/environ",
  "/proc/1/task/1/ns/net",
  "/proc/self/attr/current",
  "/proc/kcore",
  "/proc/kpagecount",
  "/dev/sda",
  "/etc/sonde/agent.json",
  "/var/lib/sonde/agent/key.pem",
  "/run/sonde/agent.sock",
])("%j is a path no pack may read", (path) => {
  expect(verdict(withSource(file(path)))).toBe("MANIFEST_INVALID");
});

test.each([
  "/proc/self/mountinfo",
  "/proc/1/task/1/stat",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/net/dev",
])("%j is a path packs may read", (path) => {
  expect(verdict(withSource(file(path)))).toBe("accepted");
});

test.each<[string, Extract<Source, { kind: "file" }>["path"], Source["holes"]]>([
  [
    "the process",
    ["/proc/", { hole: "x" }, "/environ"],
    { x: { type: "integer", minimum: 1, maximum: 9 } },
  ],
  ["the file", ["/proc/1/", { hole: "x" }], { x: { type: "enum", values: ["environ"] } }],
  ["part of it", ["/proc/1/env", { hole: "x" }], { x: { type: "enum", values: ["iron"] } }],
  ["the first folder", ["/", { hole: "x" }, "/1"], { x: { type: "container-name" } }],
  ["what precedes the path", [{ hole: "x" }, "/etc/passwd"], { x: { type: "container-name" } }],
  ["a root and more", [{ hole: "x" }, "/y"], { x: { type: "path-beneath", root: "/srv" } }],
  ["a root of all processes", [{ hole: "x" }], { x: { type: "path-beneath", root: "/proc" } }],
  ["a private root", [{ hole: "x" }], { x: { type: "path-beneath", root: "/var/lib/sonde" } }],
  ["a root with dots", [{ hole: "x" }], { x: { type: "path-beneath", root: "/srv/.." } }],
  ["an empty range", ["/srv/", { hole: "x" }], { x: { type: "integer", minimum: 2, maximum: 1 } }],
  ["nothing declared", ["/srv/", { hole: "x" }], {}],
  ["nothing used", "/srv/x", { x: { type: "container-name" } }],
])("a hole that stands for %s is refused", (_what, path, holes) => {
  const type = holes?.["x"]?.type === "integer" ? "integer" : "string";
  const manifest = withSource(
    file(path, holes),
    { x: { type } },
    holes?.["x"] && { x: { param: "x" } },
  );
  expect(verdict(manifest)).toBe("MANIFEST_INVALID");
});

test("a command gets no path beneath a private root either", () => {
  const call = (root: string): unknown => {
    const manifest = withSource(
      {
        kind: "exec",
        command: "cat",
        argv: [{ hole: "x" }],
        ...limits,
        holes: { x: { type: "path-beneath", root } },
      },
      { x: { type: "string" } },
      { x: { param: "x" } },
    ) as Manifest;
    const greet: Probe = { ...(manifest.probes["greet"] as Probe), capability: "manage" };
    return { ...manifest, probes: { greet } };
  };
  expect(verdict(call("/srv"))).toBe("accepted");
  expect(verdict(call("/var/lib/sonde"))).toBe("MANIFEST_INVALID");
});

test("contents of a folder are granted as its files, and are not asked for beside a child", () => {
  const source = {
    ...({ kind: "directory", path: "/etc/nginx/conf.d", names: "all", maxEntries: 9 } as const),
    ...({ contents: true, ...limits } as const),
  };
  expect(deriveRequires({ it: source }).files).toEqual(["/etc/nginx/conf.d/*"]);
  expect(verdict(withSource(source))).toBe("accepted");
  expect(verdict(withSource({ ...source, child: "x" }))).toBe("MANIFEST_INVALID");
  for (const path of ["/proc/1", "/etc/sonde", "/dev"]) {
    expect(verdict(withSource({ ...source, path })), path).toBe("MANIFEST_INVALID");
  }
});

test("private files of every process are not read through a directory either", () => {
  const through = (child: string): unknown =>
    withSource({
      kind: "directory",
      path: "/proc",
      names: "numeric",
      child,
      maxEntries: 9,
      ...limits,
    });
  expect(verdict(through("stat"))).toBe("accepted");
  expect(verdict(through("environ"))).toBe("MANIFEST_INVALID");
});

test.each([
  ["/v1/../../etc", "/run/docker.sock"],
  ["/v1/%2e%2e/x", "/run/docker.sock"],
  ["/v1/x?all=1", "/run/docker.sock"],
  ["v1", "/run/docker.sock"],
  ["/v1", "/run/../run/docker.sock"],
  ["/v1", "/run/sonde/agent.sock"],
])("GET %s over %s is refused", (path, socket) => {
  // Labelled as high as such a source needs, so that only the request can be what is wrong.
  const ask = (asked: { socket: string; path: string }): unknown => {
    const manifest = withSource({ kind: "http", ...asked, ...limits }) as Manifest;
    const greet: Probe = { ...(manifest.probes["greet"] as Probe), capability: "manage" };
    return { ...manifest, probes: { greet } };
  };
  expect(verdict(ask({ socket: "/run/docker.sock", path: "/v1" }))).toBe("accepted");
  expect(verdict(ask({ socket, path }))).toBe("MANIFEST_INVALID");
});

const hole = { type: "integer", minimum: 1, maximum: 9 } as const;
const holed = file(["/srv/", { hole: "x" }], { x: hole });
test.each<[string, object, object, string]>([
  ["a parameter", { x: { type: "integer" } }, { x: { param: "x" } }, "accepted"],
  ["a value", {}, { x: { value: 3 } }, "accepted"],
  ["a value out of range", {}, { x: { value: 10 } }, "MANIFEST_INVALID"],
  ["a value of another type", {}, { x: { value: "3" } }, "MANIFEST_INVALID"],
  [
    "a parameter of another type",
    { x: { type: "string" } },
    { x: { param: "x" } },
    "MANIFEST_INVALID",
  ],
  [
    "a parameter that may be null",
    { x: { anyOf: [{ type: "integer" }, { type: "null" }] } },
    { x: { param: "x" } },
    "MANIFEST_INVALID",
  ],
  ["no such parameter", {}, { x: { param: "x" } }, "MANIFEST_INVALID"],
  ["an inherited name", {}, { x: { param: "valueOf" } }, "MANIFEST_INVALID"],
  ["nothing", {}, {}, "MANIFEST_INVALID"],
  ["more than it has", {}, { x: { value: 3 }, y: { value: 3 } }, "MANIFEST_INVALID"],
])("a hole filled from %s", (_what, params, fill, code) => {
  expect(verdict(withSource(holed, params, fill))).toBe(code);
});

test.each([
  "\u0000",
  "\u001b[2J",
  "\n",
  "\u202e",
  "\u200b",
  "\u2066",
  "\ud800",
  "\u{e0041}",
  "\u2028",
])("%j in a text of the manifest is refused", (unseen) => {
  expect(verdict({ ...sample, description: `A pack${unseen} for tests.` })).toBe(
    "MANIFEST_INVALID",
  );
});

test("a label below what the sources need is refused, one above is kept", () => {
  const labelled = (source: Source, capability: Probe["capability"]): unknown => {
    const manifest = withSource(source) as Manifest;
    const greet = { ...(manifest.probes["greet"] as Probe), capability };
    return { ...manifest, probes: { greet } };
  };
  const stop: Source = { kind: "exec", command: "systemctl", argv: ["stop", "sshd"], ...limits };
  const load = file("/proc/loadavg");
  expect(verdict(labelled(stop, "observe"))).toBe("MANIFEST_INVALID");
  const running: Source = { kind: "exec", command: "systemctl", argv: ["is-running"], ...limits };
  expect(() => checkManifest(labelled(running, "observe"))).toThrow(
    /got observe; source \w+: exec systemctl is-running is manage; it is not in the table .*; its nearest form is systemctl is-system-running/,
  );
  expect(verdict(labelled(stop, "interact"))).toBe("MANIFEST_INVALID");
  expect(verdict(labelled(stop, "manage"))).toBe("accepted");
  expect(verdict(labelled(load, "observe"))).toBe("accepted");
  expect(verdict(labelled(load, "manage"))).toBe("accepted");
});

test.each([
  ["sonde/list", "agents", "MANIFEST_INVALID"],
  ["sonde/call", "tool", "MANIFEST_INVALID"],
  ["sonde/health", "check", "MANIFEST_INVALID"],
  ["sonde/list", "agent", "accepted"],
  ["acme/list", "agents", "accepted"],
])("%s with a probe %s: the hub's own tools keep their names", (name, probeName, code) => {
  expect(verdict({ ...sample, name, probes: { [probeName]: probe } })).toBe(code);
});

test("a parameter may not have the name of the hub's own argument", () => {
  const params = (name: string): object => ({ [name]: { type: "integer" } });
  expect(verdict(withSource(holed, params("agent"), { x: { param: "agent" } }))).toBe(
    "MANIFEST_INVALID",
  );
  expect(verdict(withSource(holed, params("agents"), { x: { param: "agents" } }))).toBe("accepted");
});

test("an optional parameter needs an `otherwise` of the hole's type", () => {
  const optional = (fill: object): unknown => {
    const manifest = withSource(holed, { x: { type: "integer" } }, { x: fill }) as Manifest;
    const greet = manifest.probes["greet"] as Probe;
    return {
      ...manifest,
      probes: { greet: { ...greet, params: { ...greet.params, required: [] } } },
    };
  };
  expect(verdict(optional({ param: "x" }))).toBe("MANIFEST_INVALID");
  expect(verdict(optional({ param: "x", otherwise: 3 }))).toBe("accepted");
  expect(verdict(optional({ param: "x", otherwise: 30 }))).toBe("MANIFEST_INVALID");
});

test.each<[string, unknown, string]>([
  [
    "a source kind of the future",
    { ...sample, sources: { it: { kind: "memcached", command: "" } } },
    "PACK_NEEDS_NEWER_AGENT",
  ],
  [
    "a database that only a newer agent can ask",
    { ...sample, sources: { load: { ...sample.sources["load"], kind: "sql", engine: "oracle" } } },
    "PACK_NEEDS_NEWER_AGENT",
  ],
  ["a manifest of the future", { ...sample, manifest: 3 }, "PACK_NEEDS_NEWER_AGENT"],
  [
    "a kind that objects answer to",
    { ...sample, sources: { it: { kind: "constructor" } } },
    "PACK_NEEDS_NEWER_AGENT",
  ],
  ["no object", [], "MANIFEST_INVALID"],
  ["nothing", null, "MANIFEST_INVALID"],
  ["an unknown field", { ...sample, scripts: {} }, "MANIFEST_INVALID"],
  ["no version range", { ...sample, engines: { agent: "newest" } }, "MANIFEST_INVALID"],
  ["no semantic version", { ...sample, version: "1.0.0-a..b" }, "MANIFEST_INVALID"],
  [
    "a read of nothing",
    { ...sample, probes: { greet: { ...probe, reads: { a: { source: "b" } } } } },
    "MANIFEST_INVALID",
  ],
  [
    "a read of an inherited name",
    { ...sample, probes: { greet: { ...probe, reads: { a: { source: "valueOf" } } } } },
    "MANIFEST_INVALID",
  ],
  [
    "a too long tool name",
    { ...sample, name: `acme/${"h".repeat(30)}`, probes: { [`a.${"b".repeat(26)}`]: probe } },
    "MANIFEST_INVALID",
  ],
  [
    "an enum in a result",
    {
      ...sample,
      probes: {
        greet: {
          ...probe,
          result: {
            type: "object",
            properties: { a: { type: "string", enum: ["b"] } },
            required: [],
            additionalProperties: false,
          },
        },
      },
    },
    "MANIFEST_INVALID",
  ],
  [
    "a required name that every object has",
    {
      ...sample,
      probes: {
        greet: {
          ...probe,
          params: {
            type: "object",
            properties: { constructor: { type: "string" } },
            required: ["constructor"],
            additionalProperties: false,
          },
        },
      },
    },
    "MANIFEST_INVALID",
  ],
  [
    "a prototype",
    JSON.parse(JSON.stringify(sample).replace('"sources":{', '"sources":{"__proto__":{},')),
    "MANIFEST_INVALID",
  ],
  [
    "endless depth",
    { ...sample, probes: { greet: { ...probe, result: nested(20_000) } } },
    "MANIFEST_INVALID",
  ],
])("%s is refused", (_what, value, code) => expect(verdict(value)).toBe(code));

function nested(depth: number): unknown {
  let schema: unknown = { type: "string" };
  for (let level = 0; level < depth; level += 1) schema = { type: "array", items: schema };
  return { type: "object", properties: { a: schema }, required: [], additionalProperties: false };
}

test("a runbook is checked against the probes", () => {
  const rule = { finding: "It is full.", severity: "info", of: "it", each: "rows", when: [] };
  const runbook = {
    description: "A runbook for this test.",
    probes: { it: { probe: "greet" } },
    rules: [{ ...rule, show: ["name"] }],
  };
  const text = { type: "string" };
  const object = (properties: object) => ({
    ...{ type: "object", properties, required: [], additionalProperties: false },
  });
  const result = object({ rows: { type: "array", items: object({ name: text }) } });
  const probes = { greet: { ...probe, result } };
  expect(verdict({ ...sample, probes, runbook })).toBe("accepted");
  expect(verdict({ ...sample, runbook })).toBe("MANIFEST_INVALID");
});
