import { expect, test } from "vitest";
import { buildProbeId, splitProbeId, toolNameOf } from "./names.ts";

test("only the official publisher's probes lose their prefix, and the way back is exact", () => {
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

test("tool names keep publishers apart", () => {
  expect(toolNameOf("system.disk.usage")).toBe("system_disk_usage");
  expect(toolNameOf("acme/hello.greet")).toBe("acme__hello_greet");
});
