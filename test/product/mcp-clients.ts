import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernProgram } from "@modelcontextprotocol/client/stdio";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OlderProgram } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { ToolResults } from "@sonde/schemas/hub";

export type CallAnswer = {
  results: ToolResults["results"];
  /** The whole structured answer, unchanged. */
  structured: unknown;
  isError: boolean;
  text: string;
  callId: string;
};

export type ListedTool = {
  name: string;
  description?: string | undefined;
  inputSchema: object;
  outputSchema?: object | undefined;
  annotations?: object | undefined;
};

/** What the tests need of either generation of MCP client. */
export type McpClient = {
  generation: "current" | "1.x";
  listTools(): Promise<ListedTool[]>;
  call(name: string, args: Record<string, unknown>): Promise<CallAnswer>;
  /** How many list-changed notifications have arrived. */
  changes(): number;
  close(): Promise<void>;
};

type RawAnswer = {
  structuredContent?: unknown;
  isError?: boolean | undefined;
  content?: unknown;
  _meta?: Record<string, unknown> | undefined;
};

function readAnswer(answer: RawAnswer): CallAnswer {
  const { _meta: meta } = answer;
  const [first] = answer.content as { text: string }[];
  return {
    // Absent where the answer is text only.
    results: (answer.structuredContent as ToolResults | undefined)?.results ?? [],
    structured: answer.structuredContent,
    isError: answer.isError === true,
    text: first?.text ?? "",
    callId: String(meta?.["sonde.dev/callId"]),
  };
}

const headersFor = (apiKey: string) => ({
  requestInit: { headers: { authorization: `Bearer ${apiKey}` } },
});

/** `@modelcontextprotocol/sdk` 1.x, the most used client. */
export function connectOlderClient(mcpUrl: string, apiKey: string): Promise<McpClient> {
  return connectOlder(new OlderTransport(new URL(mcpUrl), headersFor(apiKey)));
}

/** The current SDK's client, on the stateless revision. */
export function connectCurrentClient(mcpUrl: string, apiKey: string): Promise<McpClient> {
  return connectCurrent(new ModernTransport(new URL(mcpUrl), headersFor(apiKey)));
}

/** Both generations, connected with one key. */
export function connectBoth(mcpUrl: string, apiKey: string): Promise<McpClient[]> {
  return Promise.all([connectOlderClient(mcpUrl, apiKey), connectCurrentClient(mcpUrl, apiKey)]);
}

/** Both generations, each with a program of its own that it starts. */
export function connectPrograms(command: string, args: string[]): Promise<McpClient[]> {
  return Promise.all([
    connectOlder(new OlderProgram({ command, args })),
    connectCurrent(new ModernProgram({ command, args })),
  ]);
}

async function connectOlder(transport: OlderTransport | OlderProgram): Promise<McpClient> {
  const client = new OlderClient({ name: "older", version: "1.0.0" });
  let changes = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    changes += 1;
  });
  await client.connect(transport);
  return {
    generation: "1.x",
    listTools: async () => (await client.listTools()).tools,
    call: async (name, args) => readAnswer(await client.callTool({ name, arguments: args })),
    changes: () => changes,
    close: () => client.close(),
  };
}

async function connectCurrent(transport: ModernTransport | ModernProgram): Promise<McpClient> {
  let changes = 0;
  const client = new ModernClient(
    { name: "current", version: "1.0.0" },
    {
      versionNegotiation: { mode: "auto" },
      listChanged: {
        tools: {
          autoRefresh: false,
          onChanged: () => {
            changes += 1;
          },
        },
      },
    },
  );
  await client.connect(transport);
  return {
    generation: "current",
    listTools: async () => (await client.listTools()).tools,
    call: async (name, args) => readAnswer(await client.callTool({ name, arguments: args })),
    changes: () => changes,
    close: () => client.close(),
  };
}
