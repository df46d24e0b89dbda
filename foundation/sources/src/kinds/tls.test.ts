import type { TlsSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkSource } from "../check-source.ts";
import { classifySource } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listItems } from "../items.ts";
import { verdict } from "../testing/verdict.ts";
import { whyUnreachable } from "../unreachable-addresses.ts";
import { renderEndpoint, unnamedEndpoints } from "../endpoint.ts";

const source = (more: Partial<TlsSource> = {}): TlsSource => ({
  ...{ kind: "tls", endpoint: "shop.example:443", timeoutMs: 100, maxBytes: 4096 },
  ...more,
});
const asked = source({ endpoint: { hole: "where" }, holes: { where: { type: "endpoint" } } });
const check = (more: Partial<TlsSource>) => verdict(() => checkSource("it", source(more)));

test("a person grants an endpoint and how far it goes, or the choice among named ones", () => {
  const items = (one: TlsSource) => listItems(deriveRequires({ it: one }));
  expect(items(source())).toEqual(["host shop.example:443 TLS"]);
  expect(items(source({ only: "connect" }))).toEqual(["host shop.example:443 TCP"]);
  expect(items(asked)).toEqual(["host <endpoint> TLS"]);
  expect(describeRead(asked)).toBe("connection to <where> TLS");
  expect(describeRead({ name: "it", source: asked, values: { where: "a.example:1" } })).toBe(
    "connection to a.example:1 TLS",
  );
  expect(classifySource(asked)).toBe("observe");
  expect(renderEndpoint(source({ endpoint: "[2001:db8::1]:853" }), {})).toEqual({
    ...{ text: "[2001:db8::1]:853", host: "2001:db8::1", port: 853 },
  });
});

test("a fixed endpoint is a host and a port, and a hole for one has its type", () => {
  expect(check({ endpoint: "192.0.2.1:65535" })).toBe("accepted");
  for (const endpoint of ["a.example:65536", "a..b:443", "[::g]:443"]) {
    expect(check({ endpoint })).toBe("MANIFEST_INVALID");
  }
  expect(verdict(() => checkSource("it", asked))).toBe("accepted");
  const holes = { where: { type: "hostname" } } as const;
  expect(check({ endpoint: { hole: "where" }, holes })).toBe("MANIFEST_INVALID");
});

// Attack 78.
test("no pack names a link-local address or a cloud's metadata, in any spelling", () => {
  const refused = [
    ...["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "fe80::1%eth0", "fd00:ec2::254"],
    ...["fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "::169.254.169.254"],
    ...["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::169.254.169.254"],
    "2002:a9fe:a9fe::1",
  ];
  expect(refused.filter((address) => whyUnreachable(address) === null)).toEqual([]);
  const fine = ["127.0.0.1", "::1", "10.0.0.1", "169.253.1.1", "fec0::1", "fd00:ec2::253", "a.b"];
  expect(fine.filter((address) => whyUnreachable(address) !== null)).toEqual([]);
  expect(check({ endpoint: "169.254.169.254:80" })).toBe("MANIFEST_INVALID");
  expect(check({ endpoint: "[fe80::1]:80" })).toBe("MANIFEST_INVALID");
});

// Attack 78.
test("an endpoint of a caller's choice counts as unnamed until it is named", () => {
  const read = (where: string) => ({ name: "it", source: asked, values: { where } });
  expect(unnamedEndpoints(read("a:1"))).toEqual(["a:1"]);
  expect(unnamedEndpoints(read("a:1"), ["b:1"])).toEqual(["a:1"]);
  expect(unnamedEndpoints(read("a:1"), ["b:1", "a:1"])).toEqual([]);
  expect(unnamedEndpoints({ name: "it", source: asked, values: {} }, ["a:1"])).toEqual([""]);
  expect(unnamedEndpoints({ name: "it", source: source(), values: {} })).toEqual([]);
});
