import { ProtocolError, ProtocolErrorCode, Server } from "@modelcontextprotocol/server";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/server/validators/ajv";
import { findOnlyAgent } from "../../calls/index.ts";
import {
  type CatalogEntry,
  hashTools,
  listVisibleTools,
  type ToolDefinition,
} from "../../catalog/index.ts";
import type { Principal } from "../../identity/index.ts";
import { chooseListed } from "../core/choose-listed.ts";
import { SEARCH_TOOLS, searchToolsBeside } from "../core/fixed-tools.ts";
import { INSTRUCTIONS } from "../core/instructions.ts";
import { describeView, UI_EXTENSION, viewOfOwnTool, viewOfResult } from "../core/views.ts";
import { PROMPT_DEFINITIONS, writePrompt } from "../core/prompts.ts";
import { answerCall, splitArguments, type ToolPorts, toolsFor } from "./call-tool.ts";
import { tellProgress } from "./progress.ts";
import { listResources, readResource, type ResourcePorts } from "./pack-resources.ts";
import { FIXED_TOOLS, listOwnTools, recordRead, runFixedTool } from "./fixed-tools.ts";
import { readView, type ViewPorts } from "./read-views.ts";

/** Shared: each server would compile a validator of its own otherwise. */
const jsonSchemaValidator = new AjvJsonSchemaValidator();

/** What the server of a client needs. */
export type ServerPorts = ToolPorts & ResourcePorts & ViewPorts;

type ListPorts = Pick<ToolPorts, "catalog" | "packUses" | "maxListed"> & {
  directory: Pick<ToolPorts["directory"], "agents">;
};

/** Lists the tools of a principal: the hub's own, then its part of the catalog, as far as there is room. */
function listTools(ports: ListPorts, principal: Principal): ToolDefinition[] {
  const { listed, leftOut, packs } = chooseTools(ports, principal);
  const own = listOwnTools(principal).map((definition) =>
    definition === SEARCH_TOOLS ? searchToolsBeside(leftOut.length, packs) : definition,
  );
  const tools = listed.map(({ tool }) => tool);
  return [...own, ...toolsFor(ports, principal, tools)];
}

/** The picture of a tool; null when it has none, or none in this installation. */
function viewOf({ catalog, views }: Pick<ServerPorts, "catalog" | "views">, tool: string) {
  const entry = catalog.entries().get(tool);
  const view = entry === undefined ? viewOfOwnTool(tool) : viewOfResult(entry.result);
  return view !== null && views.has(view) ? view : null;
}

function chooseTools({ catalog, packUses, maxListed }: ListPorts, principal: Principal) {
  const room = maxListed() - listOwnTools(principal).length;
  return chooseListed<CatalogEntry>(listVisibleTools(catalog, principal), room, packUses.usesOf);
}

/** Hashes what `tools/list` depends on, so that only a real change is announced. */
export function hashToolList(ports: ListPorts, principal: Principal): string {
  const hasChoice = findOnlyAgent(ports.directory.agents(), principal) === null;
  const { listed, leftOut } = chooseTools(ports, principal);
  return `${hasChoice} ${hashTools(listed)} ${hashTools(leftOut)}`;
}

/** Creates the MCP server of one request of one principal. It keeps no state between requests. */
export function createToolServer(
  ports: ServerPorts,
  principal: Principal,
  { version, showsViews }: { version: string; showsViews: boolean },
): Server {
  const extensions = showsViews && ports.views.size > 0 ? { [UI_EXTENSION]: {} } : null;
  const server = new Server(
    { name: "sonde", title: "Sonde", version },
    {
      capabilities: {
        ...{ tools: { listChanged: true }, prompts: {}, resources: {} },
        ...(extensions !== null && { extensions }),
      },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator,
      cacheHints: {
        "tools/list": { ttlMs: 0, cacheScope: "private" },
        "resources/list": { ttlMs: 0, cacheScope: "private" },
        "resources/read": { ttlMs: 0, cacheScope: "private" },
      },
    },
  );
  server.setRequestHandler("tools/list", async () => {
    const tools = listTools(ports, principal);
    const hash = hashToolList(ports, principal);
    await recordRead(ports, principal, null, { tools: tools.length, hash });
    return {
      tools: tools.map((tool) => ({
        ...tool,
        ...(extensions !== null && { _meta: describeView(viewOf(ports, tool.name)) }),
        inputSchema: tool.inputSchema as { type: "object" },
      })),
    };
  });
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const args = params.arguments ?? {};
    const fixed = FIXED_TOOLS.get(params.name);
    const { signal } = context.mcpReq;
    return await tellProgress(ports, context, (counting) =>
      fixed === undefined
        ? answerCall(counting, principal, splitArguments(params.name, args), signal)
        : runFixedTool(counting, principal, fixed, args, signal),
    );
  });
  // The same for everybody, and of no server: nothing that an audit log would tell.
  server.setRequestHandler("prompts/list", () => ({ prompts: [...PROMPT_DEFINITIONS] }));
  server.setRequestHandler("prompts/get", ({ params }) => {
    const written = writePrompt(params.name, params.arguments ?? {});
    if ("problem" in written) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, written.problem);
    }
    return { messages: [{ role: "user", content: { type: "text", text: written.text } }] };
  });
  server.setRequestHandler("resources/list", () => listResources(ports, principal));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [] }));
  server.setRequestHandler(
    "resources/read",
    async ({ params }) =>
      (await readView(ports, principal, params.uri)) ??
      (await readResource(ports, principal, params.uri)),
  );
  return server;
}
