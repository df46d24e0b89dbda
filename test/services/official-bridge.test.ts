import { join } from "node:path";
import { RELEASE } from "@sonde/schemas/release";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VIEW_NAMES } from "../../hub/src/mcp/core/views.ts";
import { buildViews } from "../../hub/src/mcp/views/build-views.ts";
import { startBrowser } from "../../registry/src/testing/browser.ts";

// The pictures have a module of their own for MCP Apps. Here the other half is that of the official SDK,
// which checks each message by its schema.

let browser: Awaited<ReturnType<typeof startBrowser>>;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

const result = {
  content: [{ type: "text", text: "x" }],
  structuredContent: {
    results: [
      {
        ...{ agent: "web-1", status: "failure", collectedAt: null },
        redactions: { count: 0, rules: {} },
        failure: { code: "AGENT_OFFLINE", message: "not connected", retryable: true, hint: "" },
      },
    ],
  },
  isError: true,
};

test("the official SDK shows each picture, hears its size and ends it", async () => {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "official-bridge.mjs")],
    ...{ bundle: true, write: false, format: "iife", platform: "browser", logLevel: "error" },
  });
  const views = await buildViews();
  for (const name of VIEW_NAMES) {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("console", (message) => errors.push(message.text()));
    page.on("pageerror", ({ message }) => errors.push(message));
    await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
    const call = `show(${JSON.stringify(views[name])}, ${JSON.stringify(result)})`;
    const shown = await page.evaluate<{ sizes: { height: number }[] }>(call);
    expect(shown).toMatchObject({ app: { version: RELEASE }, ended: true });
    expect(shown.sizes.at(-1)?.height, name).toBeGreaterThan(50);
    expect(await page.frameLocator("#view").locator("main").textContent()).toContain(
      "AGENT_OFFLINEnot connected",
    );
    expect(errors.filter((text) => /error|invalid/i.test(text))).toEqual([]);
    await page.close();
  }
});
