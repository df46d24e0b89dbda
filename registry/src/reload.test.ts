import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry } from "./testing/test-registry.ts";

// SIGHUP to a registry as a process.
let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry.close());

const statusOf = async () => (await fetch(registry.at("/api/v1/packs"))).status;

test("limits count at once, and what waits for a restart is named", async () => {
  const rateLimits = { readsPerMinute: 1, writesPerMinute: 1, refusalsPerMinute: 1 };
  const said = await registry.reload({ rateLimits, logName: "registry.example" });
  expect(said).toContain(
    "configuration reloaded; taken over: rateLimits.readsPerMinute, rateLimits.refusalsPerMinute, rateLimits.writesPerMinute; restart to apply: logName",
  );
  const statuses = [await statusOf(), await statusOf(), await statusOf()];
  expect(statuses).toEqual([200, 200, 429]);
  await registry.reload({});
  expect(await statusOf()).toBe(200);
});

test("a trusted root that cannot be read changes nothing, and the log says why", async () => {
  const rateLimits = { readsPerMinute: 1, writesPerMinute: 1, refusalsPerMinute: 1 };
  const said = await registry.reload({ rateLimits, trustedRootFile: "/nonexistent" });
  expect(said).toContain("configuration not reloaded, nothing was changed: CONFIG_INVALID: ");
  expect([await statusOf(), await statusOf(), await statusOf()]).toEqual([200, 200, 200]);
});
