import type { HttpSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkHole } from "../check-hole.ts";
import { checkSource } from "../check-source.ts";
import { classifySource, explainLevel } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listItems } from "../items.ts";
import { asksHosts } from "../list-needs.ts";
import { verdict } from "../testing/verdict.ts";
import { deriveWindows } from "../windows.ts";

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

const engine = (more: Partial<HttpSource>): HttpSource =>
  source({ socket: "/var/run/docker.sock", path: "/events", ...more });
const minutes = { minutes: { type: "integer", minimum: 1, maximum: 60 } } as const;

test("a time of a query is told as such, and a hole for it is a number", () => {
  const query = { since: { minutesAgo: { hole: "minutes" } }, until: { secondsAhead: 2 } };
  const recent = engine({ query, holes: minutes });
  expect(classifySource(recent)).toBe("observe");
  expect(items(recent)).toEqual([
    "socket /var/run/docker.sock GET /events?since=<<1..60>-minutes-ago>&until=<in-2-seconds>",
  ]);
  expect(describeRead({ name: "it", source: recent, values: { minutes: "7" } })).toBe(
    "GET /events?since=<7-minutes-ago>&until=<in-2-seconds> over unix:/var/run/docker.sock",
  );
  expect(verdict(() => checkSource("it", recent))).toBe("accepted");
  const text = engine({ query, holes: { minutes: { type: "container-name" } } });
  expect(verdict(() => checkSource("it", text))).toBe("MANIFEST_INVALID");
});

// Attack 52.
test("the output of a container only looks, and following it does not", () => {
  const path = ["/containers/", { hole: "name" }, "/logs"];
  const named = { name: { type: "container-name" } } as const;
  const output = engine({ path, holes: named, query: { stdout: "true", tail: "9" }, keep: "last" });
  expect(classifySource(output)).toBe("observe");
  expect(classifySource({ ...output, query: { follow: "true" } })).toBe("manage");
  expect(deriveWindows({ it: output })).toMatchObject([{ part: "last", bytes: 4096 }]);
  const asOutput = (more: Partial<HttpSource>) =>
    verdict(() => checkSource("it", { ...output, as: "container-output", ...more }));
  expect(asOutput({})).toBe("accepted");
  const { keep: _, ...first } = output;
  expect(verdict(() => checkSource("it", { ...first, as: "container-output" }))).toBe(
    "MANIFEST_INVALID",
  );
});

// Attack 50.
test("a container's name stays one segment of the path", () => {
  for (const name of ["a/b", "..", ".", "a?follow=true", "a&b", "a%2fb", "-a", "a#b", "a b", ""]) {
    const of = verdict(() => checkHole({ type: "container-name" }, name, "it"));
    expect(of, name).toBe("PARAMS_INVALID");
  }
});
