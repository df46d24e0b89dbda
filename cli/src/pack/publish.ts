import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { publishArchive } from "./publish-archive.ts";
import { bundleFileOf } from "./sign.ts";

type Options = { registry: string; bundle?: string; tokenFile?: string };

export const addPublish: AddCommand = (program, report, env) => {
  startCommand(program, "publish <archive>", "publish a signed archive to a registry")
    .requiredOption("--registry <url>", "https://..., or http:// on loopback")
    .option("--bundle <file>", "the signature; by default ARCHIVE.sigstore.json")
    .option("--token-file <file>", "the publisher's token; else SONDE_PACK_TOKEN holds it")
    .addHelpText("after", "\nThe token is never an argument: arguments are visible to other users.")
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const archive = await readFile(file);
        const bundle = await readFile(options.bundle ?? bundleFileOf(file));
        const token = await readToken(options.tokenFile, env.get("SONDE_PACK_TOKEN"));
        const published = await publishArchive(options.registry, token, archive, bundle);
        const { name, version, digest, publishedAt } = published;
        return {
          data: { name, version, digest, publishedAt, registry: options.registry },
          text: `Published ${name} ${version} to ${options.registry}\n  ${digest}`,
        };
      }),
    );
};

async function readToken(file: string | undefined, fromEnv: string | undefined): Promise<string> {
  const token = (file === undefined ? (fromEnv ?? "") : await readFile(file, "utf8")).trim();
  if (!/^[\x21-\x7e]{1,500}$/.test(token)) {
    throw new SondeError(
      "UNAUTHENTICATED",
      "expected a token in SONDE_PACK_TOKEN or --token-file, got none that fits",
    );
  }
  return token;
}
