import type { ProbeManifest, Source } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { classifySource, effectiveCapability } from "./classify-source.ts";

const limits = { timeoutMs: 500, maxBytes: 4096 };
const exec = (command: string, ...argv: Extract<Source, { kind: "exec" }>["argv"]): Source => ({
  kind: "exec",
  command,
  argv,
  ...limits,
});

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
  exec("docker", "ps"),
  exec("constructor"),
  { ...exec("df", "-P", { hole: "path" }), holes: { path: { type: "container-name" } } } as Source,
  { ...exec("df", { hole: "flag" }), holes: { flag: { type: "enum", values: ["-P"] } } } as Source,
])("$command $argv is not", (source) => {
  expect(classifySource(source)).toBe("manage");
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
