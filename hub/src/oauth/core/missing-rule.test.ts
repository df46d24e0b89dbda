import { expect, test } from "vitest";
import { findMissingHost, findMissingRedirect, isMissing, writeRule } from "./missing-rule.ts";

const CALLBACK = "https://chat.example/callback";
const of = (...redirects: unknown[]) => ({ redirect_uris: redirects });

test("a redirect address that no rule names is missing, with the whole member to write", () => {
  const missing = findMissingRedirect(of(CALLBACK), {});
  expect(missing).toEqual({ member: "redirects", value: CALLBACK });
  const line = writeRule(missing ?? fail(), {});
  // What is written replaces the default, so the default is in it.
  expect(line).toBe(
    `"redirects": ["https://claude.ai/api/mcp/auth_callback","https://claude.com/api/mcp/auth_callback","${CALLBACK}"]`,
  );
  const rules = JSON.parse(`{${line}}`) as { redirects: string[] };
  expect(findMissingRedirect(of(CALLBACK), rules)).toBeNull();
  expect(isMissing(missing ?? fail(), {})).toBe(true);
  expect(isMissing(missing ?? fail(), rules)).toBe(false);
  expect(isMissing(missing ?? fail(), { origins: ["https://chat.example"] })).toBe(false);
  expect(writeRule(missing ?? fail(), { redirects: [] })).toBe(`"redirects": ["${CALLBACK}"]`);
});

test("a host of a document is missing, with the hosts that are named now", () => {
  const missing = findMissingHost("https://chat.example/client.json", {
    documentHosts: ["a.example"],
  });
  expect(missing).toEqual({ member: "documentHosts", value: "chat.example" });
  expect(writeRule(missing ?? fail(), { documentHosts: ["a.example"] })).toBe(
    `"documentHosts": ["a.example","chat.example"]`,
  );
  expect(isMissing(missing ?? fail(), {})).toBe(true);
  expect(isMissing(missing ?? fail(), { documentHosts: ["chat.example"] })).toBe(false);
  expect(findMissingHost("https://claude.ai/client.json", {})).toBeNull();
});

test("a program of a terminal is missing where loopback is refused", () => {
  const redirect = "http://127.0.0.1:4999/callback";
  const missing = findMissingRedirect(of(redirect), { loopback: false });
  expect(missing).toEqual({ member: "loopback", value: redirect });
  expect(writeRule(missing ?? fail(), { loopback: false })).toBe(`"loopback": true`);
  expect(findMissingRedirect(of(redirect), {})).toBeNull();
});

test.each([
  ["an address without TLS", of("http://chat.example/callback")],
  ["a scheme of a program", of("chat://callback")],
  [
    "a quote, which would end the line in hub.json",
    of('https://chat.example/"],"loopback":true,"x":["'),
  ],
  ["what another reader reads otherwise", of("https://chat.example/%2e%2e/callback")],
  ["a user in the address", of("https://claude.ai@chat.example/callback")],
  ["no list", { redirect_uris: CALLBACK }],
  ["no text", of(7, null)],
  ["no metadata", null],
])("%s is missing nowhere: no rule could allow it", (_what, metadata) => {
  expect(findMissingRedirect(metadata, {})).toBeNull();
});

test("an id that can be none is missing nowhere", () => {
  for (const id of [
    "https://chat.example/",
    "http://chat.example/c.json",
    "https://x@chat.example/c",
  ]) {
    expect(findMissingHost(id, {})).toBeNull();
  }
});

function fail(): never {
  throw new Error("expected a rule that is missing");
}
