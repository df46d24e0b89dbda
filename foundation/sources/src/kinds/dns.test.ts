import { type DnsSource, type Hole, parseManifestShape } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkHole } from "../check-hole.ts";
import { checkSource } from "../check-source.ts";
import { classifySource } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { buildRequires, listItems } from "../items.ts";
import { verdict } from "../testing/verdict.ts";
import { parseServer, renderDnsQuestion } from "./dns.ts";

const source = (more: Partial<DnsSource> = {}): DnsSource => ({
  ...{ kind: "dns", server: "resolver", name: "example.com", type: "MX" },
  ...{ timeoutMs: 100, maxBytes: 4096 },
  ...more,
});
const asked = source({
  name: { hole: "name" },
  type: { hole: "type" },
  holes: { name: { type: "dns-name" }, type: { type: "enum", values: ["A", "AAAA"] } },
});
const check = (more: Partial<DnsSource>) => verdict(() => checkSource("it", source(more)));

test("a person grants server, type and name, and reads them as they will be asked", () => {
  expect(deriveRequires({ it: source() })).toEqual({
    ...{ commands: [], files: [], sockets: [], hosts: ["resolver DNS MX example.com"] },
  });
  const items = listItems(deriveRequires({ it: asked }));
  expect(items).toEqual(["host resolver DNS <A|AAAA> <dns-name>"]);
  expect(describeRead(source())).toBe("DNS MX example.com at the servers of /etc/resolv.conf");
  const values = { name: "a.example", type: "AAAA" };
  expect(describeRead({ name: "it", source: asked, values })).toBe(
    "DNS AAAA a.example at the servers of /etc/resolv.conf",
  );
  expect(renderDnsQuestion(asked, values)).toEqual({ server: "resolver", ...values });
  expect(classifySource(asked)).toBe("observe");
});

test("requirements without a host have the lists that earlier releases know", () => {
  expect(Object.keys(buildRequires(() => []))).toEqual(["groups", "commands", "files", "sockets"]);
  const file = { kind: "file", path: "/proc/stat", timeoutMs: 100, maxBytes: 10 } as const;
  expect(deriveRequires({ it: file })).not.toHaveProperty("hosts");
});

test("a server is the host's resolver, or an address and perhaps a port", () => {
  expect(parseServer("192.0.2.1")).toEqual({ address: "192.0.2.1", port: 53 });
  expect(parseServer("192.0.2.1:5353")).toEqual({ address: "192.0.2.1", port: 5353 });
  expect(parseServer("[2001:db8::1]:5353")).toEqual({ address: "2001:db8::1", port: 5353 });
  for (const server of ["192.0.2.1", "127.0.0.1:5353", "[2001:db8::1]"]) {
    expect(check({ server })).toBe("accepted");
  }
  for (const server of ["192.0.2.256", "192.0.2.1:70000", "[::g]", "[1.2.3.4]x"]) {
    expect(check({ server })).toBe("MANIFEST_INVALID");
  }
});

// Attack 78.
test("no pack names a server at a link-local address or a cloud's metadata", () => {
  const refused = ["169.254.169.253", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.1.1]"];
  for (const server of refused) expect(check({ server })).toBe("MANIFEST_INVALID");
});

// Attack 50.
test("a name is labels or an address, and nothing else", () => {
  const hole: Hole = { type: "dns-name" };
  const tried = (value: unknown) => verdict(() => checkHole(hole, value, "name"));
  const long = `${"a".repeat(63)}.example.`;
  const fine = ["a", "_ldap._tcp.Example.com", "192.0.2.1", "2001:db8::1", "xn--e1afmkfd.x", long];
  expect(fine.map(tried)).toEqual(fine.map(() => "accepted"));
  const hostile = [
    ...["", ".", "..", "a..b", "-a", "a.-b", "a b", "a\nb", "a\0", "é.example", "*.example.com"],
    ...["a/b", "@127.0.0.1", "+short", "fe80::1%eth0", "a".repeat(64), "a.".repeat(130), 7, null],
  ];
  expect(hostile.map(tried)).toEqual(hostile.map(() => "PARAMS_INVALID"));
  expect(check({ name: "a b" })).toBe("MANIFEST_INVALID");
});

test("types are those of the list, and a hole for a name is none of another type", () => {
  expect(verdict(() => checkSource("it", asked))).toBe("accepted");
  const types: Hole = { type: "enum", values: ["A", "ANY"] };
  expect(check({ type: { hole: "type" }, holes: { type: types } })).toBe("MANIFEST_INVALID");
  const text: Hole = { type: "text", maxLength: 50 };
  expect(check({ name: { hole: "name" }, holes: { name: text } })).toBe("MANIFEST_INVALID");
  const shape = (sources: unknown) => verdict(() => parseManifestShape({ ...manifest, sources }));
  expect(shape({ it: source() })).toBe("accepted");
  expect(shape({ it: { ...source(), type: "AXFR" } })).toBe("MANIFEST_INVALID");
  expect(shape({ it: { ...source(), server: "ns.example" } })).toBe("MANIFEST_INVALID");
});

const manifest = {
  ...{ manifest: 1, name: "acme/dns", version: "1.0.0", description: "Asks name servers." },
  ...{ license: "MIT", repository: "https://example.com/x", engines: { agent: "*" } },
  requires: { groups: [], commands: [], files: [], sockets: [] },
  probes: {
    look: {
      ...{ description: "Looks a name up.", capability: "observe", reads: {} },
      ...{ params: { type: "object", properties: {}, required: [], additionalProperties: false } },
      ...{ result: { type: "object", properties: {}, required: [], additionalProperties: false } },
    },
  },
};
