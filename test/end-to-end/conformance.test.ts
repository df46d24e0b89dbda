import { spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { type Product, startProduct, workspace } from "../product/start-product.ts";
import { installPack, type TestPack, type TestPublisher } from "../product/test-packs.ts";

// The conformance suite and the Inspector of the protocol's authors against the running product, with a
// key. What does not pass of the suite is in test/conformance, each with the reason.

const SUITE = join(workspace, "test/node_modules/@modelcontextprotocol/conformance/dist/index.js");

const INSPECTOR = join(
  workspace,
  "test/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
);

/** Its tools have the names that the suite calls. */
const PACK: TestPack = {
  name: "sonde/test",
  version: "1.0.0",
  sources: `export const load = source.file({ path: "/proc/loadavg", maxBytes: 4096 });
export const slow = source.file({ path: "/proc/loadavg", maxBytes: 4096, samples: { count: 5, intervalMs: 1000 } });`,
  probes: `
"simple.text": probe({ description: "Says a text.", result: t.object({ text: t.string() }),
  reads: { load: sources.load }, run: () => ({ text: "This is a simple text response for testing." }) }),
"error.handling": probe({ description: "Fails always.", result: t.object({}),
  reads: { load: sources.load }, run: () => { throw new Error("This tool intentionally returns an error for testing"); } }),
"tool.with.progress": probe({ description: "Takes four seconds.", result: t.object({ looks: t.integer() }),
  reads: { slow: sources.slow }, run: ({ reads }) => ({ looks: reads.slow.samples.length }) }),`,
};

let product: Product;
let proxy: Server;
let results: string;

beforeAll(async () => {
  product = await startProduct();
  await installPack(product, readOwnPublisher(), PACK);
  proxy = createProxy(new URL(product.mcpUrl), product.apiKey);
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  results = mkdtempSync(join(tmpdir(), "sonde-conformance-"));
});
afterAll(async () => {
  proxy?.close();
  if (results !== undefined) rmSync(results, { recursive: true });
  await product?.stop();
});

/** Whose packs' tools have short names. */
function readOwnPublisher(): TestPublisher {
  const { publishers } = layoutOf(product.data);
  const read = (file: string) => readFileSync(join(publishers, file), "utf8");
  return {
    name: "sonde",
    privateKey: createPrivateKey(read("sonde.key")),
    publicKey: read("sonde.key.pub"),
    token: read("sonde.token").trim(),
  };
}

/** Adds the key, which the suite has no option for. A foreign host stays foreign. */
function createProxy(hub: URL, key: string): Server {
  return createServer((incoming, outgoing) => {
    const { port } = proxy.address() as AddressInfo;
    const headers = { ...incoming.headers, authorization: `Bearer ${key}` };
    if (headers.host === `127.0.0.1:${port}`) headers.host = hub.host;
    const onward = request(
      { host: hub.hostname, port: hub.port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
}

async function runSuite(revision: string) {
  const { port } = proxy.address() as AddressInfo;
  const child = spawn(
    process.execPath,
    [
      ...[SUITE, "server", "--url", `http://127.0.0.1:${port}/mcp`, "--requirements", revision],
      ...["--expected-failures", join(workspace, `test/conformance/${revision}.yaml`)],
      ...["--output-dir", join(results, revision)],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [out, [code]] = await Promise.all([readText(child.stdout), once(child, "exit")]);
  return { code: code as number | null, summary: out.slice(out.lastIndexOf("=== SUMMARY ===")) };
}

test.each(["2025-11-25", "2026-07-28"])(
  "the requirements of %s, but for what is listed with its reason",
  async (revision) => {
    const { code, summary } = await runSuite(revision);
    expect(code, summary).toBe(0);
    const passed = ["tools-list", "tools-call-with-progress", "resources-list", "prompts-list"];
    for (const scenario of passed) expect(summary).toContain(`✓ ${scenario}:`);
  },
);

/** Calls one method. The key is in a file, since others see the arguments of a program. */
async function inspect(method: string, ...more: string[]) {
  const config = join(results, "inspector.json");
  const server = {
    ...{ type: "streamable-http", url: product.mcpUrl },
    headers: { Authorization: `Bearer ${product.apiKey}` },
  };
  writeFileSync(config, JSON.stringify({ mcpServers: { sonde: server } }), { mode: 0o600 });
  const child = spawn(
    process.execPath,
    [INSPECTOR, "--cli", "--config", config, "--server", "sonde", "--method", method, ...more],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: results } },
  );
  const [out, error, [code]] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, "exit"),
  ]);
  expect(code, out + error).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
}

test("the Inspector finds tools, calls one and reads a resource", async () => {
  const { tools } = (await inspect("tools/list")) as { tools: { name: string }[] };
  expect(tools.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["list_agents", "system_kernel_version"]),
  );
  const call = ["--tool-name", "system_kernel_version", "--tool-arg", `agent=${product.agent}`];
  const { structuredContent } = await inspect("tools/call", ...call);
  expect(structuredContent).toMatchObject({
    results: [{ agent: product.agent, data: { release: release() } }],
  });
  const { resources } = (await inspect("resources/list")) as { resources: { uri: string }[] };
  const runbook = resources.find(({ uri }) => /sonde\/system\/.*runbook\.json$/.test(uri));
  const { contents } = await inspect("resources/read", "--uri", runbook?.uri ?? "");
  expect(contents).toMatchObject([{ mimeType: "application/json" }]);
});
