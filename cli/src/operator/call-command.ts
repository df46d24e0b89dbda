import { SondeError } from "@sonde/schemas/errors";
import type { CalledTool, ToolSummary } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { collect } from "../collect.ts";
import type { Print } from "../data-command.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

type Options = Omit<HubOptions, "agent"> & { agent: string[]; explain?: true };

/** `sonde call [TOOL]`: lists the tools that the key may call, or calls one. */
export function addCallCommand(program: Command, print: Print): void {
  startHubCommand(
    program,
    "call [tool] [arguments...]",
    "call a tool, with arguments as name=value; without a tool, list those that there are",
  )
    .option(
      "--agent <name>",
      "an agent, or #key=value for those with a tag; can be repeated",
      collect,
      [],
    )
    .option("--explain", "say what the call would read on each agent, and read nothing")
    .action(async (tool: string | undefined, given: string[], options: Options) => {
      const { client } = connectHub({
        ...(options.data !== undefined && { data: options.data }),
        ...(options.profile !== undefined && { profile: options.profile }),
      });
      if (tool === undefined) {
        const tools = await client.listTools();
        return print(options.json ? JSON.stringify({ tools }) : describeTools(tools));
      }
      const called = await client.callTool(tool, {
        arguments: readArguments(given),
        ...(options.agent.length > 0 && { agent: options.agent }),
        ...(options.explain && { explain: true }),
      });
      print(options.json ? JSON.stringify(called) : describeCalled(called));
      if (called.results.some(({ status }) => status === "failure")) process.exitCode = 1;
    });
}

/**
 * Reads `name=value`. A value that is JSON is that, such as 5, true or ["a"]; any other is text.
 *
 * @throws SondeError BAD_REQUEST
 */
export function readArguments(given: readonly string[]): Record<string, unknown> {
  const read = new Map<string, unknown>();
  for (const text of given) {
    const at = text.indexOf("=");
    const name = text.slice(0, at);
    if (at < 1 || read.has(name)) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected each argument once, as name=value, got ${JSON.stringify(text.slice(0, 80))}; sonde call TOOL --explain says what a call reads`,
      );
    }
    read.set(name, readValue(text.slice(at + 1)));
  }
  return Object.fromEntries(read);
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON: a text, as most values are.
    return text;
  }
}

function describeTools(tools: readonly ToolSummary[]): string {
  return formatTable(
    ["TOOL", "AGENTS", "WHAT IT TELLS"],
    tools.map(({ name, agents, description }) => [
      ...[name, agents.length > 3 ? `${agents.length} agents` : agents.join(" ") || "any"],
      description.split("\n")[0] ?? "",
    ]),
  );
}

function describeCalled({ results, callIds, text }: CalledTool): string {
  const failed = results.flatMap(({ agent, failure }) =>
    failure === undefined ? [] : [`${agent || "hub"}: ${failure.code}: ${failure.hint}`],
  );
  return [
    text || "The answer has nothing in it.",
    ...failed,
    ...callIds.map((id) => `call ${id}`),
  ].join("\n");
}
