import { Client } from "@modelcontextprotocol/client";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VIEW_TYPE } from "../../hub/src/mcp/core/views.ts";
import { type Product, startProduct } from "../product/start-product.ts";
import { startViewHost, type ViewHost, type ViewResource } from "../product/view-host.ts";

// Pictures of a real hub and agent: a client finds them in its list, reads them, and shows what a tool
// answered.

const capabilities = {
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [VIEW_TYPE] } },
};
type Tool = { name: string; _meta?: { ui?: { resourceUri?: string } } };
type Asked = {
  list(): Promise<Tool[]>;
  read(uri: string): Promise<ViewResource & { mimeType?: string }>;
  call(name: string, args: object): Promise<{ structuredContent?: unknown }>;
  close(): Promise<void>;
};

let product: Product;
let host: ViewHost;
const clients = new Map<string, Asked>();
beforeAll(async () => {
  [product, host] = await Promise.all([startProduct(), startViewHost()]);
  clients.set("1.x", await connectOlder());
  clients.set("current", await connectCurrent());
});
afterAll(async () => {
  for (const client of clients.values()) await client.close();
  await host?.close();
  await product?.stop();
});

const transportOptions = () => ({
  requestInit: { headers: { authorization: `Bearer ${product.apiKey}` } },
});

async function connectCurrent(): Promise<Asked> {
  const info = { name: "current", version: "1.0.0" };
  const client = new Client(info, { capabilities, versionNegotiation: { mode: "auto" } });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(product.mcpUrl), transportOptions()),
  );
  return wrap(client as unknown as Wrapped);
}

async function connectOlder(): Promise<Asked> {
  const client = new OlderClient({ name: "older", version: "1.0.0" }, { capabilities });
  await client.connect(new OlderTransport(new URL(product.mcpUrl), transportOptions()));
  return wrap(client as unknown as Wrapped);
}

/** What both generations have alike. */
type Wrapped = {
  listTools(): Promise<{ tools: Tool[] }>;
  readResource(params: { uri: string }): Promise<{ contents: ViewResource[] }>;
  callTool(params: object): Promise<{ structuredContent?: unknown }>;
  close(): Promise<void>;
};

function wrap(client: Wrapped): Asked {
  return {
    list: async () => (await client.listTools()).tools,
    async read(uri) {
      const [content] = (await client.readResource({ uri })).contents;
      return content ?? expect.fail(`nothing at ${uri}`);
    },
    call: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
}

const viewOf = (tools: Tool[], name: string) =>
  tools.find((tool) => tool.name === name)?._meta?.ui?.resourceUri ?? expect.fail(name);

describe.each(["1.x", "current"])("the %s client", (generation) => {
  const ask = () => clients.get(generation) ?? expect.fail(generation);

  test("finds which tools have a picture", async () => {
    const tools = await ask().list();
    const found = tools.flatMap(({ name, _meta: meta }) =>
      meta?.ui?.resourceUri === undefined ? [] : [[name, meta.ui.resourceUri]],
    );
    expect(Object.fromEntries(found)).toEqual({
      ...{ list_agents: "ui://sonde/fleet", agent_overview: "ui://sonde/fleet" },
      ...{ diagnose: "ui://sonde/findings", health_check: "ui://sonde/findings" },
      system_disk_usage: "ui://sonde/disk",
      system_processes_top: "ui://sonde/processes",
      system_pressure: "ui://sonde/pressure",
    });
  });

  test.each([
    ["system_disk_usage", "filesystems", "mountPoint"],
    ["system_processes_top", "processes", "pid"],
    ["system_pressure", null, null],
    ["health_check", "findings", "finding"],
    ["agent_overview", "packs", "pack"],
    ["list_agents", null, null],
  ])("shows what %s answered", async (tool, list, member) => {
    const uri = viewOf(await ask().list(), tool);
    const view = await ask().read(uri);
    expect(view.mimeType).toBe(VIEW_TYPE);
    const args = tool === "list_agents" ? {} : { agent: product.agent };
    const result = await ask().call(tool, args);
    const { results } = result.structuredContent as { results: [{ data: Record<string, object> }] };
    const shown = await host.show(view);
    await shown.answer(result);
    const text = (await shown.frame.locator("main").textContent()) ?? "";
    expect(text).toContain(product.agent);
    const [{ data }] = results;
    const rows = (list === null ? [] : (data[list] ?? [])) as Record<string, unknown>[];
    for (const row of rows) expect(text).toContain(String(row[member ?? ""]));
    if (tool.startsWith("system_") && list !== null) expect(rows.length).toBeGreaterThan(0);
    if (tool === "system_pressure") {
      const { cpu } = data as { cpu?: { some: { avg10Percent: number } } | null };
      const some = await shown.frame.locator(".card").first().textContent();
      expect(some).toContain(
        cpu
          ? `${cpu.some.avg10Percent < 100 ? Math.round(cpu.some.avg10Percent * 10) / 10 : Math.round(cpu.some.avg10Percent)} %`
          : "does not report",
      );
    }
    expect([shown.requests, host.asked, shown.errors]).toEqual([[], [], []]);
  });
});
