import { Agent, request } from "node:http";

/** `stateless` is the revision without a handshake, `handshake` the last one with it. */
export type Generation = "stateless" | "handshake";

const REVISIONS = { stateless: "2026-07-28", handshake: "2025-06-18" } as const;

export type ToolCaller = { call(): Promise<void>; close(): void };

/**
 * Calls one tool over one keep-alive connection per caller. The client does as little work as
 * possible, so that the figure is the server's.
 *
 * @param succeeded what an answer has that is as it should be
 * @returns a function that makes one call and throws unless it succeeded
 */
export async function createToolCaller(
  server: { url: string; key: string; generation: Generation },
  tool: string,
  args: Record<string, unknown>,
  succeeded = /"status":"ok"/,
): Promise<ToolCaller> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const revision = REVISIONS[server.generation];
  const isStateless = server.generation === "stateless";
  let id = 0;
  const post = (message: object, headers: Record<string, string>) =>
    send(server.url, agent, JSON.stringify({ jsonrpc: "2.0", ...message }), {
      authorization: `Bearer ${server.key}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...headers,
    });
  if (!isStateless) {
    const params = {
      protocolVersion: revision,
      capabilities: {},
      clientInfo: { name: "bench", version: "1.0.0" },
    };
    await post({ id: "hello", method: "initialize", params }, {});
    await post({ method: "notifications/initialized" }, { "mcp-protocol-version": revision });
  }
  const headers = {
    "mcp-protocol-version": revision,
    ...(isStateless && { "mcp-method": "tools/call", "mcp-name": tool }),
  };
  const meta = {
    "io.modelcontextprotocol/protocolVersion": revision,
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    async call() {
      id += 1;
      const params = { name: tool, arguments: args, ...(isStateless && { _meta: meta }) };
      const text = await post({ id, method: "tools/call", params }, headers);
      if (!succeeded.test(text)) throw new Error(`the call failed: ${text.slice(0, 500)}`);
    },
    close: () => agent.destroy(),
  };
}

function send(
  url: string,
  agent: Agent,
  body: string,
  headers: Record<string, string>,
): Promise<string> {
  return new Promise((done, fail) => {
    const length = Buffer.byteLength(body);
    const post = request(
      url,
      { agent, method: "POST", headers: { ...headers, "content-length": length } },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => {
          if ((response.statusCode ?? 0) < 300) done(text);
          else fail(new Error(`${response.statusCode}: ${text.slice(0, 500)}`));
        });
      },
    );
    post.on("error", fail);
    post.end(body);
  });
}
