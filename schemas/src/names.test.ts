import { expect, test } from "vitest";
import { buildProbeId, splitProbeId, toolNameOf, probeOfTool } from "./names.ts";

test("only the official publisher's probe ids drop the prefix, and parsing restores the exact name", () => {
  expect(buildProbeId("sonde/system", "disk.usage")).toBe("system.disk.usage");
  expect(buildProbeId("acme/hello", "greet")).toBe("acme/hello.greet");
  for (const [pack, probe] of [
    ["sonde/system", "disk.usage"],
    ["acme/hello", "greet"],
    ["acme/system", "disk.usage"],
  ] as const) {
    expect(splitProbeId(buildProbeId(pack, probe))).toEqual({ pack, probe });
  }
});

test("tool names of different publishers never collide", () => {
  expect(toolNameOf("system.disk.usage")).toBe("system_disk_usage");
  expect(toolNameOf("acme/hello.greet")).toBe("acme__hello_greet");
  for (const probe of ["system.disk.usage", "acme/hello.greet", "acme/a-b.c-d"]) {
    expect(probeOfTool(toolNameOf(probe))).toBe(probe);
  }
});
