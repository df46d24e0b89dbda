import { expect, test } from "vitest";
import { parseManifestShape } from "./manifest.ts";

function manifestWith(params: unknown): unknown {
  const empty = { type: "object", properties: {}, required: [], additionalProperties: false };
  return {
    manifest: 1,
    name: "acme/hello",
    version: "1.0.0",
    description: "A pack for this test.",
    license: "MIT",
    repository: "https://example.com/hello",
    engines: { agent: "^0.1.0" },
    sources: { load: { kind: "file", path: "/proc/loadavg", timeoutMs: 100, maxBytes: 1000 } },
    requires: { groups: [], commands: [], files: ["/proc/loadavg"], sockets: [] },
    probes: {
      greet: {
        description: "Says hello.",
        capability: "observe",
        params,
        result: empty,
        reads: { load: { source: "load" } },
      },
    },
  };
}

test("a manifest in the closed vocabulary is accepted", () => {
  const params = {
    type: "object",
    properties: { name: { anyOf: [{ type: "string" }, { type: "null" }] } },
    required: ["name"],
    additionalProperties: false,
  };
  expect(parseManifestShape(manifestWith(params)).name).toBe("acme/hello");
});

test.each([
  ["a pattern", { type: "string", pattern: "(a+)+$" }],
  ["a reference", { $ref: "#/x" }],
  ["a bare null", { type: "null" }],
])("%s in a params schema is refused", (_what, leaf) => {
  const params = {
    type: "object",
    properties: { name: leaf },
    required: [],
    additionalProperties: false,
  };
  expect(() => parseManifestShape(manifestWith(params))).toThrowError(
    expect.objectContaining({ code: "MANIFEST_INVALID" }),
  );
});
