import type { HttpSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkSource } from "../check-source.ts";
import { classifySource, explainLevel } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listItems } from "../items.ts";
import { asksHosts } from "../list-needs.ts";
import { verdict } from "../testing/verdict.ts";

const source = (more: Partial<HttpSource> = {}): HttpSource => ({
  ...{ kind: "http", path: "/nginx_status", timeoutMs: 100, maxBytes: 4096 },
  ...more,
});
const holes = { where: { type: "endpoint" } } as const;
const asked = (more: Partial<HttpSource> = {}) =>
  source({ endpoint: { hole: "where" }, holes, ...more });
const check = (more: Partial<HttpSource>) => verdict(() => checkSource("it", source(more)));
const items = (one: HttpSource) => listItems(deriveRequires({ it: one }));

test("a port of loopback is a socket of the host; with TLS a request leaves it", () => {
  const local = source({ endpoint: "127.0.0.1:8080" });
  expect(items(local)).toEqual(["socket 127.0.0.1:8080 GET /nginx_status"]);
  expect(items(asked())).toEqual(["socket <endpoint> GET /nginx_status"]);
  expect([local, asked()].map(asksHosts)).toEqual([false, false]);
  const away = source({ endpoint: "shop.example:443", tls: true, query: { "one-shot": "1" } });
  expect(items(away)).toEqual(["host shop.example:443 TLS GET /nginx_status?one-shot=1"]);
  expect(items(asked({ tls: true }))).toEqual(["host <endpoint> TLS GET /nginx_status"]);
  expect([away, asked({ tls: true })].map(asksHosts)).toEqual([true, true]);
});

test("a person reads where a request goes and whether it is encrypted", () => {
  expect(describeRead(asked())).toBe("GET /nginx_status over http://<where>");
  expect(describeRead({ name: "it", source: asked(), values: { where: "127.0.0.1:80" } })).toBe(
    "GET /nginx_status over http://127.0.0.1:80",
  );
  expect(describeRead(source({ endpoint: "shop.example:443", tls: true }))).toBe(
    "GET /nginx_status over https://shop.example:443",
  );
});

// Attack 78.
test("what is not encrypted stays on the host, by an address that can lead nowhere else", () => {
  for (const endpoint of ["127.0.0.1:1", "[::1]:65535"])
    expect(check({ endpoint })).toBe("accepted");
  const elsewhere = [
    ...["shop.example:80", "192.0.2.1:80", "localhost:80", "[2001:db8::1]:80", "0.0.0.0:80"],
    ...["127.0.0.2:80", "[::]:80", "[::ffff:127.0.0.1]:80"],
  ];
  for (const endpoint of elsewhere) expect(check({ endpoint }), endpoint).toBe("MANIFEST_INVALID");
  expect(check({ endpoint: "192.0.2.1:443", tls: true })).toBe("accepted");
});

// Attack 78.
test("an endpoint is one, and no link-local address or a cloud's metadata, also with TLS", () => {
  const refused = ["169.254.169.254:443", "[fe80::1]:443", "a.example:65536", "a..b:443"];
  for (const endpoint of refused) {
    expect(check({ endpoint, tls: true }), endpoint).toBe("MANIFEST_INVALID");
  }
  const text = { where: { type: "hostname" } } as const;
  expect(verdict(() => checkSource("it", asked()))).toBe("accepted");
  expect(verdict(() => checkSource("it", asked({ holes: text })))).toBe("MANIFEST_INVALID");
});

test("a source has a socket or an endpoint, and TLS only over the latter", () => {
  expect(check({ socket: "/run/docker.sock" })).toBe("accepted");
  expect(check({})).toBe("MANIFEST_INVALID");
  expect(check({ socket: "/run/docker.sock", endpoint: "127.0.0.1:80" })).toBe("MANIFEST_INVALID");
  expect(check({ socket: "/run/docker.sock", tls: true })).toBe("MANIFEST_INVALID");
});

test("over a port only pages of the table look only, with the query that it names", () => {
  const level = (path: HttpSource["path"], more: Partial<HttpSource> = {}) =>
    classifySource(source({ endpoint: "127.0.0.1:80", path, ...more }));
  for (const path of ["/nginx_status", "/basic_status", "/metrics", "/healthz"]) {
    expect(level(path), path).toBe("observe");
  }
  // A page that acts on a GET, as that of supervisord.
  expect(level("/index.html", { query: { action: "restart" } })).toBe("manage");
  expect(level("/metrics", { query: { reset: "1" } })).toBe("manage");
  expect(level("/metrics/")).toBe("manage");
  expect(level(["/", { hole: "page" }], { holes: { page: { type: "container-name" } } })).toBe(
    "manage",
  );
  expect(explainLevel(source({ endpoint: "127.0.0.1:80", path: "/nginx_statuses" }))).toContain(
    "it has no form like /nginx_statuses",
  );
});
