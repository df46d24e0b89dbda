import type { ToolDefinition } from "../../catalog/index.ts";

/** How many tools an answer names. */
const MAX_FOUND = 20;

/**
 * Writes the tools that fit the words best, one a line, with their arguments. Without words, or when
 * nothing fits, it names all.
 */
export function searchTools(tools: readonly ToolDefinition[], words: string): string {
  if (tools.length === 0) return "You may call no other tools.";
  const wanted = words.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const fitting = tools
    .map((tool) => ({ tool, score: scoreOf(tool, wanted) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ tool }) => tool);
  const names = tools.map(({ name }) => name).join(", ");
  if (fitting.length === 0) {
    const nothing = wanted.length === 0 ? "" : "No tool fits these words. ";
    return `${nothing}All ${tools.length} tools: ${names}.`;
  }
  const more = fitting.length - MAX_FOUND;
  return [
    ...fitting.slice(0, MAX_FOUND).map(writeTool),
    ...(more > 0 ? [`${more} more fit. Use other words.`] : []),
  ].join("\n");
}

/** A word in the name counts more than one in the description. */
function scoreOf(tool: ToolDefinition, wanted: readonly string[]): number {
  const name = tool.name.split("_");
  const text = `${tool.description} ${Object.keys(tool.inputSchema.properties).join(" ")}`;
  const lower = text.toLowerCase();
  return wanted.reduce((score, word) => {
    const inName = name.some(
      (part) => part !== "" && (part.startsWith(word) || word === `${part}s`),
    );
    return score + (inName ? 3 : 0) + (lower.includes(word) ? 1 : 0);
  }, 0);
}

function writeTool({ name, description, inputSchema }: ToolDefinition): string {
  const args = Object.keys(inputSchema.properties).map((argument) =>
    inputSchema.required.includes(argument) ? argument : `${argument}?`,
  );
  return `${name}(${args.join(", ")}): ${description}`;
}
