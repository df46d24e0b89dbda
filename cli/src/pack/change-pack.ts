import { SondeError } from "@sonde/schemas/errors";
import { PackName, Version } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { AdvisoryId, ChangeAdvisory, type PackLife, parsePackLife } from "@sonde/schemas/registry";
import type { Command } from "commander";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { readToken } from "./obtain-token.ts";
import type { Outcome } from "./outcome.ts";
import { parseRegistry, requestRegistry } from "./registry-request.ts";

type Env = Parameters<AddCommand>[2];
type Options = { registry: string; tokenFile?: string };
type AdvisoryOptions = Options & { range: string; severity: string; text: string; withdraw?: true };

// Parsed before they become part of a path.
const parsePack = buildParser(PackName, "pack", "BAD_REQUEST");
const parseVersion = buildParser(Version, "version", "BAD_REQUEST");
const parseId = buildParser(AdvisoryId, "advisory", "BAD_REQUEST");

// What a publisher can change about a published pack. Each command states the wanted result, so it
// is idempotent.

export const addYank: AddCommand = (program, report, env) => {
  startChange(
    program,
    "yank <pack> <version>",
    "let a version be installed only by its exact number",
  )
    .requiredOption("--reason <text>", "the public reason")
    .option("--undo", "take it back")
    .action((pack: string, version: string, options: Options & YankOptions, command: Command) =>
      report(command, async () => {
        const body = { yanked: options.undo !== true, reason: options.reason };
        const life = await change(
          options,
          env,
          `/packs/${parsePack(pack)}/${parseVersion(version)}/yank`,
          body,
        );
        return tell(life, `${pack} ${version} is ${body.yanked ? "yanked" : "not yanked"}`);
      }),
    );
};
type YankOptions = { reason: string; undo?: true };

export const addDeprecate: AddCommand = (program, report, env) => {
  startChange(program, "deprecate <pack>", "advise against a whole pack")
    .option("--message <text>", "what to use instead; public")
    .option("--undo", "take it back")
    .action((pack: string, options: Options & DeprecateOptions, command: Command) =>
      report(command, async () => {
        const { message = null, undo = false } = options;
        if ((message === null) !== undo) {
          throw new SondeError("BAD_REQUEST", "expected either --message TEXT or --undo");
        }
        const life = await change(options, env, `/packs/${parsePack(pack)}/deprecation`, {
          message,
        });
        return tell(life, `${pack} is ${undo ? "not deprecated" : "deprecated"}`);
      }),
    );
};
type DeprecateOptions = { message?: string; undo?: true };

export const addAdvisory: AddCommand = (program, report, env) => {
  const severities = ChangeAdvisory.properties.severity.anyOf.map((one) => one.const).join(", ");
  startChange(program, "advisory <pack> <id>", "publish a fault of a range of versions")
    .requiredOption("--range <range>", "the versions with the fault, such as '<1.2.0'")
    .requiredOption("--severity <severity>", severities)
    .requiredOption("--text <text>", "the fault and the remedy; public")
    .option("--withdraw", "take it back")
    .action((pack: string, id: string, options: AdvisoryOptions, command: Command) =>
      report(command, async () => {
        const { range, severity, text, withdraw: withdrawn = false } = options;
        const path = `/packs/${parsePack(pack)}/advisories/${parseId(id)}`;
        const life = await change(options, env, path, { range, severity, text, withdrawn });
        return tell(life, `${id} of ${pack} is ${withdrawn ? "withdrawn" : "published"}`);
      }),
    );
};

function startChange(program: Command, usage: string, summary: string): Command {
  return startCommand(program, usage, summary)
    .requiredOption("--registry <url>", "https://..., or http:// on loopback")
    .option("--token-file <file>", "the publisher's token; by default SONDE_PUBLISH_TOKEN");
}

async function change(options: Options, env: Env, path: string, json: object): Promise<PackLife> {
  const registry = parseRegistry(options.registry);
  const token = await readToken(options.tokenFile, env);
  if (token === null) {
    const sentence = "expected a token in SONDE_PUBLISH_TOKEN or --token-file, got none";
    throw new SondeError("UNAUTHENTICATED", sentence);
  }
  return parsePackLife(await requestRegistry(registry, path, { method: "PUT", token, json }));
}

function tell(life: PackLife, text: string): Outcome {
  return { data: life, text };
}
