// Baseline for a tool call: an MCP server over the same SDK that starts `df` for each call. It checks
// no key, signs nothing, records nothing and has no second machine.
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, Server } from "@modelcontextprotocol/server";

const run = promisify(execFile);
const TOOL = {
  name: "df",
  description: "Space of each filesystem.",
  inputSchema: { type: "object" as const, properties: {} },
};

async function callDf() {
  const { stdout } = await run("/usr/bin/df", ["-P", "-B1", "/"], { env: { LC_ALL: "C" } });
  const filesystems = stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [device, total, used, available, , mountPoint] = line.split(/\s+/);
      return {
        device,
        total: Number(total),
        used: Number(used),
        available: Number(available),
        mountPoint,
      };
    });
  const structuredContent = { status: "ok", filesystems };
  return {
    content: [{ type: "text" as const, text: JSON.stringify(structuredContent) }],
    structuredContent,
  };
}

const handler = createMcpHandler(() => {
  const server = new Server(
    { name: "stand-in", version: "1.0.0" },
    { capabilities: { tools: {} } },
  );
  server.setRequestHandler("tools/list", () => ({ tools: [TOOL] }));
  server.setRequestHandler("tools/call", callDf);
  return server;
});
const serve = toNodeHandler(handler);
const http = createServer((request, response) => {
  // A server's request always has both members, but its type makes them optional.
  void serve(request as typeof request & { method: string; url: string }, response);
});
http.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(http.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
