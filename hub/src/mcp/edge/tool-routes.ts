import type { CallToolResult } from "@modelcontextprotocol/server";
import { SondeError } from "@sonde/schemas/errors";
import {
  CalledTool,
  CallTool,
  PageQuery,
  ToolList,
  type ToolResult,
  type ToolSummary,
} from "@sonde/schemas/hub";
import { AGENT_ARGUMENT, splitProbeId } from "@sonde/schemas/names";
import { type FastifyReply } from "fastify";
import { Type } from "typebox";
import { type CallOutcome, callProbe, explainCall } from "../../calls/index.ts";
import {
  type CatalogEntry,
  findVisibleTool,
  listVisibleTools,
  withoutAgent,
} from "../../catalog/index.ts";
import type { Hub } from "../../hub.ts";
import { authorize, type Principal } from "../../identity/index.ts";
import { AGENT_OVERVIEW, DIAGNOSE, HEALTH_CHECK } from "../core/fixed-tools.ts";
import { answerOutcome } from "./answers.ts";
import { type Arguments, type ToolPorts } from "./call-tool.ts";
import { FIXED_TOOLS, recordRead, runFixedTool } from "./fixed-tools.ts";

/** The tools of the hub itself that REST has no other route for. */
const OWN = [AGENT_OVERVIEW, DIAGNOSE, HEALTH_CHECK];
const ToolParams = Type.Object({ tool: Type.String({ pattern: "^[a-zA-Z0-9_-]{1,128}$" }) });

/** Adds the routes that list the tools of a principal and call one, as `/mcp` does. */
export function addToolRoutes({ app, pages }: Pick<Hub, "app" | "pages">, ports: ToolPorts): void {
  app.get(
    "/api/v1/tools",
    {
      config: { right: "probe.list", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "The tools that the caller may call, with their schemas",
        querystring: PageQuery,
        response: { 200: ToolList },
      },
    },
    async (request) => {
      const { principal } = request;
      const tools = [
        ...OWN.map(({ name, description, inputSchema }) => ({
          ...{ name, probe: null, capability: null, description, inputSchema, agents: [] },
        })),
        ...listVisibleTools(ports.catalog, principal).map((entry) => describe(entry, principal)),
      ];
      const { page, ...more } = pages.cut("tools", request, tools, ({ name }) => name);
      await recordRead(ports, principal, null, { route: "/api/v1/tools", tools: page.length });
      return { tools: page, ...more };
    },
  );

  app.post(
    "/api/v1/tools/:tool/call",
    {
      config: { right: "probe.list", errors: ["PARAMS_INVALID"] },
      schema: {
        summary: "Calls a tool, or says what a call would read; a refusal is in the result",
        params: ToolParams,
        body: CallTool,
        response: { 200: CalledTool },
      },
    },
    async ({ params, body, principal }, reply) =>
      await call(ports, principal, params.tool, body, readHangUp(reply)),
  );
}

function describe({ tool, probe, capability, agents }: CatalogEntry, principal: Principal) {
  const { name, description, inputSchema } = withoutAgent(tool);
  const summary: ToolSummary = {
    ...{ name, probe, capability, description, inputSchema },
    agents: [...agents.values()]
      .filter(
        ({ agent }) =>
          authorize(principal, { kind: "probe.call", agent, probe, capability }).allowed,
      )
      .map(({ agent }) => agent.name)
      .toSorted(),
  };
  return summary;
}

async function call(
  ports: ToolPorts,
  principal: Principal,
  tool: string,
  { agent, arguments: params = {}, explain = false }: CallTool,
  signal: AbortSignal,
): Promise<CalledTool> {
  const own = OWN.some(({ name }) => name === tool) ? FIXED_TOOLS.get(tool) : undefined;
  if (own !== undefined) {
    if (explain) {
      throw new SondeError("PARAMS_INVALID", `explain: expected a tool of a pack, got ${tool}`);
    }
    const args: Arguments = { ...params, ...(agent !== undefined && { [AGENT_ARGUMENT]: agent }) };
    return describeAnswer(await runFixedTool(ports, principal, own, args, signal), null);
  }
  const request = { tool, agent, params };
  const outcome = explain
    ? await explainCall(ports, principal, request)
    : await callProbe(ports, principal, request, signal);
  const entry = findVisibleTool(ports.catalog, principal, tool);
  if (entry !== null && !explain) ports.packUses.count(splitProbeId(entry.probe).pack);
  return describeAnswer(await answerOutcome(ports, principal, outcome), outcome);
}

/** @param outcome of a pack's tool: whole, where the model's answer may be the first page of it */
function describeAnswer(answer: CallToolResult, outcome: CallOutcome | null): CalledTool {
  const [said] = answer.content;
  const { results = [], cursor } = (answer.structuredContent ?? {}) as {
    results?: ToolResult[];
    cursor?: string;
  };
  return {
    results: outcome === null ? results : outcome.map(({ result }) => result),
    callIds: (outcome ?? []).map(({ callId }) => callId),
    text: said?.type === "text" ? said.text : "",
    ...(cursor !== undefined && { textCursor: cursor }),
  };
}

/** Says that the client does not wait any more. */
function readHangUp(reply: FastifyReply): AbortSignal {
  const hungUp = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) hungUp.abort();
  });
  return hungUp.signal;
}
