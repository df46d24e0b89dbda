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

test("a pack is told with what the hub verified of it, and a tool of it is tried on this host", async () => {
  const { page, ...one } = await host.open(new URL(product.consoleUrl).origin, {
    key: product.apiKey,
  });
  await one.go("/packs", "Packs");
  const list = page.getByRole("list", { name: "Packs" });
  await list.getByRole("link", { name: "sonde/system", exact: true }).click();
  const proof = page.getByRole("region", { name: "What this hub knows" });
  for (const known of ["verified", "trusted", "in the log"]) {
    await proof.getByText(known, { exact: true }).waitFor();
  }
  const on = page.getByRole("region", { name: "On hosts" });
  await on.getByRole("listitem").filter({ hasText: product.agent }).getByText("active").waitFor();
  const questions = page.getByRole("region", { name: "Questions it answers" });
  await questions.getByRole("link", { name: "Try it with system.disk.usage" }).click();
  await page.getByRole("heading", { level: 1, name: "system_disk_usage" }).waitFor();
  // The only host is chosen already.
  const hosts = page.getByLabel("Hosts", { exact: true });
  await expect.poll(() => hosts.inputValue()).toBe(product.agent);
  await page.getByRole("button", { name: "What would it read?" }).click();
  const reads = page.getByRole("region", { name: "What it would read" });
  await reads.getByText("statfs of every mount").waitFor();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  const answer = page.getByRole("region", { name: "Answer" });
  await answer.getByRole("table", { name: "filesystems" }).getByRole("row").nth(1).waitFor();
  await answer.getByRole("radio", { name: "As the AI sees it" }).check();
  const text = await answer.getByLabel("The text that an AI gets").textContent();
  expect(text).toMatch(/^<<<data [0-9a-f]{8} of [\s\S]*mountPoint/);
  expect(await one.findViolations()).toEqual([]);
  expect([one.errors, one.foreign, one.dialogs]).toEqual([[], [], []]);
});
