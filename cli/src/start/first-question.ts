import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { fromStated } from "@sonde/schemas/errors";
import { type ToolResults } from "@sonde/schemas/hub";
import { RELEASE } from "@sonde/schemas/release";
import { requireListener } from "../require-listener.ts";
import { findServiceUid } from "./system-users.ts";

/** An answer as an MCP client gets it. */
export type Answer = { tool: string; callId: string; results: ToolResults["results"] };

/**
 * Asks one question as an MCP client would, with the most used client (`@modelcontextprotocol/sdk`
 * 1.x). The key is sent to the hub's own user only.
 *
 * @throws SondeError with the answer's own code when the tool could not look
 */
export async function askTool(
  mcpUrl: string,
  apiKey: string,
  tool: string,
  args: Record<string, unknown>,
): Promise<Answer> {
  requireListener(mcpUrl, findServiceUid("hub"));
  const client = new Client({ name: "sonde-cli", version: RELEASE });
  const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), {
    requestInit: { headers: { authorization: `Bearer ${apiKey}` } },
  });
  try {
    await client.connect(transport);
    const answer = await client.callTool({ name: tool, arguments: args });
    const { _meta: meta } = answer;
    const { results } = answer.structuredContent as ToolResults;
    const failure = results[0]?.failure;
    if (failure !== undefined) throw fromStated(failure);
    return { tool, callId: String(meta?.["sonde.dev/callId"]), results };
  } finally {
    await client.close();
  }
}
