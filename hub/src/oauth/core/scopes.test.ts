import { expect, test } from "vitest";
import { capabilityOf, kindOfResource, listResources, scopesToAsk } from "./scopes.ts";

test("a hub of a name has one resource of each kind, one on loopback three", () => {
  expect(listResources("https://hub.example", "mcp")).toEqual(["https://hub.example/mcp"]);
  expect(listResources("http://localhost:7300", "mcp")).toEqual([
    "http://localhost:7300/mcp",
    "http://127.0.0.1:7300/mcp",
    "http://[::1]:7300/mcp",
  ]);
});

test("attack 30: only an address of this hub is a resource of it", () => {
  const kind = (resource: string) => kindOfResource("https://hub.example", resource);
  expect(kind("https://hub.example/mcp")).toBe("mcp");
  expect(kind("https://hub.example/api/v1")).toBe("api");
  for (const other of [
    "https://hub.example",
    "https://hub.example/mcp/",
    "https://hub.example/mcp?x",
    "https://hub.example:8443/mcp",
    "http://hub.example/mcp",
    "https://HUB.example/mcp",
    "https://hub.example.evil.example/mcp",
    "http://localhost/mcp",
  ]) {
    expect(kind(other), other).toBe(null);
  }
});

test("without scopes of the resource the lowest is asked for, and the lower ones with a higher", () => {
  expect(scopesToAsk(undefined, "mcp")).toEqual(["observe"]);
  expect(scopesToAsk("openid profile", "mcp")).toEqual(["observe"]);
  expect(scopesToAsk("api.write", "mcp")).toEqual(["observe"]);
  expect(scopesToAsk("manage", "mcp")).toEqual(["observe", "interact", "manage"]);
  expect(scopesToAsk("api.write", "api")).toEqual(["api.read", "api.write"]);
});

test("the highest scope is the capability", () => {
  expect(capabilityOf(["observe", "interact"])).toBe("interact");
  expect(capabilityOf(["api.read"])).toBe(null);
});
