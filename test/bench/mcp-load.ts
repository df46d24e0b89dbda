import { Agent, request } from "node:http";

const REVISION = "2026-07-28";

/**
 * Calls one tool over one keep-alive connection per caller. The client does as little work as
 * possible, so that the figure is the product's.
 *
 * @returns a function that makes one call and throws unless it succeeded
 */
export function createToolCaller(
  mcpUrl: string,
  apiKey: string,
  tool: string,
  args: Record<string, unknown>,
): { call(): Promise<void>; close(): void } {
  const { hostname, port, pathname } = new URL(mcpUrl);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let id = 0;
  const call = () =>
    new Promise<void>((done, fail) => {
      id += 1;
      const body = JSON.stringify({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: {
          name: tool,
          arguments: args,
          _meta: {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
            "io.modelcontextprotocol/clientCapabilities": {},
          },
        },
      });
      const post = request(
        {
          agent,
          hostname,
          port,
          path: pathname,
          method: "POST",
          headers: {
            authorization: `Bearer ${apiKey}`,
            accept: "application/json, text/event-stream",
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
            "mcp-protocol-version": REVISION,
            "mcp-method": "tools/call",
            "mcp-name": tool,
          },
        },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () => {
            if (/"status":"ok"/.test(text)) done();
            else fail(new Error(`${response.statusCode}: ${text.slice(0, 500)}`));
          });
        },
      );
      post.on("error", fail);
      post.end(body);
    });
  return { call, close: () => agent.destroy() };
}
