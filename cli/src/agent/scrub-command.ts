import { createReadStream } from "node:fs";
import { parseScrubSettings } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";
import { type Finding, type OwnRules, compileOwnRules, explainText } from "@sonde/scrub";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";

type Options = { json?: boolean; explain?: boolean; config?: string };

const MAX_BYTES = 64 * 1024 * 1024;

/** `sonde agent scrub FILE`: needs no agent, and reads with the rights of whoever calls it. */
export function addScrubCommand(agent: Command, print: Print): void {
  agent
    .command("scrub <file>")
    .description("print a file as it would leave the host; - reads standard input")
    .option("--explain", "print rule, line and column of each finding in place of the text")
    .option("--config <file>", "an agent's configuration, whose own patterns count too")
    .option("--json", "print JSON")
    .action(async (file: string, options: Options) => {
      const own = options.config === undefined ? [] : await readOwnRules(options.config);
      const { text, redactions, findings } = explainText((await read(file)).toString(), own);
      if (options.json === true) {
        print(JSON.stringify(options.explain ? { redactions, findings } : { redactions, text }));
      } else print(options.explain ? describe(findings) : text);
    });
}

function describe(findings: readonly Finding[]): string {
  if (findings.length === 0) return "Nothing would be replaced.";
  return findings.map(({ rule, place }) => `${describePlace(place)}  ${rule}`).join("\n");
}

function describePlace(place: Finding["place"]): string {
  return place === null ? "somewhere" : `${place.line}:${place.column}`;
}

async function readOwnRules(path: string): Promise<OwnRules> {
  const config = parseJson(await read(path), path, "CONFIG_INVALID");
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new SondeError("CONFIG_INVALID", `${path}: expected a JSON object`);
  }
  const settings = new Map(Object.entries(config)).get("scrub");
  return settings === undefined ? [] : await compileOwnRules(parseScrubSettings(settings).patterns);
}

async function read(path: string): Promise<Buffer> {
  const bytes = path === "-" ? process.stdin : createReadStream(path);
  const tooLarge = () =>
    new SondeError("BAD_REQUEST", `expected at most ${MAX_BYTES} bytes in ${path}, got more`);
  return await readCapped(bytes, MAX_BYTES, tooLarge);
}
