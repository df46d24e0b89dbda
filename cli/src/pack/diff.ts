import { PackName, Version } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import {
  type ToolWords,
  type VersionDifference,
  parseVersionDifference,
} from "@sonde/schemas/registry";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { describePermissionDiff } from "./find-permission-diff.ts";
import { parseRegistry, requestRegistry } from "./registry-request.ts";

// Parsed before they become part of a path.
const parsePack = buildParser(PackName, "pack", "BAD_REQUEST");
const parseVersion = buildParser(Version, "version", "BAD_REQUEST");

/** `sonde-pack diff`: what differs between two published versions, as the registry's page shows it. */
export const addDiff: AddCommand = (program, report) => {
  startCommand(program, "diff <pack> <from> <to>", "compare two published versions of a pack")
    .requiredOption("--registry <url>", "https://..., or http:// on loopback")
    .action((pack: string, from: string, to: string, { registry }: { registry: string }, command) =>
      report(command, async () => {
        const query = `from=${parseVersion(from)}&to=${parseVersion(to)}`;
        const path = `/packs/${parsePack(pack)}/difference?${query}`;
        const answer = await requestRegistry(parseRegistry(registry), path);
        const difference = parseVersionDifference(answer);
        return { data: difference, text: describeDifference(difference) };
      }),
    );
};

function describeDifference(difference: VersionDifference): string {
  const { from, to, description, permissions, tools, readme } = difference;
  const grant = permissions.asksMore
    ? `A grant for ${from} does not cover ${to}.`
    : `A grant for ${from} covers ${to}.`;
  return [
    describePermissionDiff({ from, to, ...permissions }),
    grant,
    ...(description.before === description.after
      ? []
      : ["Description:", `  - ${description.before}`, `  + ${description.after}`]),
    ...tools.flatMap(({ id, before, after }) => [
      `What a model reads of ${id}:`,
      ...describeTool("-", before, after),
      ...describeTool("+", after, before),
    ]),
    ...describeReadme(readme),
  ].join("\n");
}

/** The parts of one side that the other has otherwise. */
function describeTool(sign: string, tool: ToolWords | null, other: ToolWords | null): string[] {
  if (tool === null) return [];
  const lines = [
    ...(tool.description === other?.description ? [] : [tool.description]),
    ...(tool.capability === other?.capability ? [] : [`level ${tool.capability}`]),
    ...tool.params.flatMap(({ name, required, schema }) => {
      const same = other?.params.find((one) => one.name === name);
      if (same?.schema === schema && same.required === required) return [];
      return [`${name}${required ? " (required)" : ""}: ${schema}`];
    }),
    ...(tool.result === other?.result ? [] : [`answers ${tool.result}`]),
  ];
  return lines.map((line) => `  ${sign} ${line}`);
}

const SIGNS = { added: "+", removed: "-", same: " ", "left-out": "..." };

function describeReadme(readme: VersionDifference["readme"]): string[] {
  if (readme === null) return ["README: differs in too many lines to compare them."];
  if (readme.length === 0) return [];
  return ["README:", ...readme.map(({ line, is }) => `  ${SIGNS[is]} ${line}`.trimEnd())];
}
