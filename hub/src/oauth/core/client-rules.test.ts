import { expect, test } from "vitest";
import { isAllowedDocument, isAllowedRedirect, isRegisteredRedirect } from "./client-rules.ts";

const CLAUDE = "https://claude.ai/api/mcp/auth_callback";

test.each([
  CLAUDE,
  "https://claude.com/api/mcp/auth_callback",
  "http://127.0.0.1:4000/callback",
  "http://localhost:4000/callback",
  "http://[::1]:4000/callback",
  "http://127.0.0.1/",
])("by default a code may go to %s", (redirect) => {
  expect(isAllowedRedirect(redirect, {})).toBe(true);
});

/** Ways to write an address that some reader takes for Claude's, or for one on loopback. */
const STRANGE = [
  "https://claude.ai/api/mcp/auth_callback/",
  "https://claude.ai/api/mcp/auth_callback?x=1",
  "https://claude.ai/api/mcp/auth_callback#x",
  "https://claude.ai/api/mcp/../mcp/auth_callback",
  "https://claude.ai/api/mcp/%2e%2e/mcp/auth_callback",
  "https://claude.ai/api/mcp/auth_callback/../../../x",
  "https://claude.ai.evil.example/api/mcp/auth_callback",
  "https://evil.example/claude.ai/api/mcp/auth_callback",
  "https://claude.ai@evil.example/api/mcp/auth_callback",
  "https://user@claude.ai/api/mcp/auth_callback",
  "https://CLAUDE.ai/api/mcp/auth_callback",
  "https://claude.ai/api/mcp/AUTH_callback",
  "https://claude.ai:8443/api/mcp/auth_callback",
  "https://claude.ai:443/api/mcp/auth_callback",
  "http://claude.ai/api/mcp/auth_callback",
  "https:/claude.ai/api/mcp/auth_callback",
  "https://claude.ai\\@evil.example/api/mcp/auth_callback",
  " https://claude.ai/api/mcp/auth_callback",
  "https://claude.ai/api/mcp/auth_callback\n",
  "https://evil.example/",
  "http://127.0.0.1.evil.example/callback",
  "http://127.0.0.2:4000/callback",
  "http://2130706433:4000/callback",
  "http://0x7f.1/callback",
  "http://localhost.:4000/callback",
  "http://user@localhost:4000/callback",
  "http://localhost:4000/callback#x",
  "https://localhost:4000/callback",
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
  "myapp://callback",
  "//claude.ai/api/mcp/auth_callback",
  "/api/mcp/auth_callback",
  "",
  `${CLAUDE}${"x".repeat(500)}`,
];

test.each(STRANGE)("attack 28: a code may not go to %j", (redirect) => {
  expect(isAllowedRedirect(redirect, {})).toBe(false);
  expect(isRegisteredRedirect(redirect, [CLAUDE, "http://localhost:4000/callback"])).toBe(false);
});

test("the configuration names others, whole or by their origin, and can close loopback", () => {
  const rules = {
    redirects: ["https://a.example/cb"],
    origins: ["https://b.example"],
    loopback: false,
  };
  const allowed = (redirect: string) => isAllowedRedirect(redirect, rules);
  expect(allowed("https://a.example/cb")).toBe(true);
  expect(allowed("https://b.example/any/path")).toBe(true);
  expect(allowed("https://b.example:444/any/path")).toBe(false);
  expect(allowed("https://a.example/cb2")).toBe(false);
  expect(allowed(CLAUDE)).toBe(false);
  expect(allowed("http://localhost:4000/callback")).toBe(false);
});

test("attack 28: a registered address is the same text, but for the port on loopback", () => {
  const registered = [CLAUDE, "http://127.0.0.1/callback", "http://localhost/callback"];
  const known = (redirect: string) => isRegisteredRedirect(redirect, registered);
  expect(known(CLAUDE)).toBe(true);
  expect(known("http://127.0.0.1:52000/callback")).toBe(true);
  expect(known("http://localhost:52000/callback")).toBe(true);
  expect(known("http://[::1]:52000/callback")).toBe(false);
  expect(known("http://127.0.0.1:52000/callback/x")).toBe(false);
  expect(known("http://127.0.0.1:52000/callback?x=1")).toBe(false);
  expect(known("https://127.0.0.1:52000/callback")).toBe(false);
  expect(known("https://claude.ai:8443/api/mcp/auth_callback")).toBe(false);
});

test("attack 31: a client id is an address at a host that is named, and written plainly", () => {
  const allowed = (id: string) => isAllowedDocument(id, {});
  expect(allowed("https://claude.ai/oauth/mcp-oauth-client-metadata")).toBe(true);
  for (const id of [
    "http://claude.ai/oauth/x",
    "https://claude.ai",
    "https://claude.ai/",
    "https://claude.ai/oauth/x?y=1",
    "https://claude.ai/oauth/x#y",
    "https://claude.ai:8443/oauth/x",
    "https://user@claude.ai/oauth/x",
    "https://claude.ai.evil.example/oauth/x",
    "https://claude.ai/oauth/../x",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/x",
    "https://evil.example/x",
  ]) {
    expect(allowed(id), id).toBe(false);
  }
  expect(
    isAllowedDocument("https://b.example:8443/c.json", { documentHosts: ["b.example:8443"] }),
  ).toBe(true);
});
