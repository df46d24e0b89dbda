import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConsoleHost, startConsoleHost } from "../product/console-host.ts";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { type Product, startProduct } from "../product/start-product.ts";

// The console of the product as it is installed, with its own agent, packs and registry.

let product: Product;
let host: ConsoleHost;
beforeAll(async () => {
  [product, host] = await Promise.all([startProduct(), startConsoleHost()]);
});
afterAll(async () => {
  await host?.close();
  await product?.stop();
});

test("the address that the start prints shows this host, its packs, and a call of it in full", async () => {
  expect(product.consoleUrl).toMatch(/^http:\/\/localhost:\d+\/console\/$/);
  const { page, ...one } = await host.open(new URL(product.consoleUrl).origin, {
    key: product.apiKey,
  });
  await one.go("/", "Fleet");
  await page.getByRole("row", { name: product.agent }).getByText("online").waitFor();
  await page.getByRole("link", { name: product.agent }).click();
  const packs = page.getByRole("region", { name: "Packs" });
  const item = packs.getByRole("listitem").filter({ hasText: "sonde/system" }).first();
  await item.getByText("active", { exact: true }).waitFor();
  await item.getByText("What it may read").click();
  await item.getByText("/proc/loadavg").first().waitFor();
  const client = await connectOlderClient(product.mcpUrl, product.apiKey);
  await client.call("system_overview", { agent: product.agent });
  await client.close();
  const calls = page.getByRole("region", { name: "Recent calls" });
  await calls
    .getByRole("row", { name: /system\.overview/ })
    .first()
    .getByText("answered")
    .waitFor();
  await calls.getByRole("link", { name: "system.overview" }).first().click();
  const reads = page.getByRole("region", { name: "What was read" });
  await reads.getByText("/proc/loadavg").first().waitFor();
  await page.getByRole("region", { name: "Hops" }).getByText("agent: reads").waitFor();
  expect(await one.findViolations()).toEqual([]);
  expect([one.errors, one.foreign, one.dialogs]).toEqual([[], [], []]);
});
