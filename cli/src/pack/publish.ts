import { SondeError } from "@sonde/schemas/errors";
import { demandOwnReadme, readArchive, readReadme } from "@sonde/trust/archive";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { describePermissionDiff, findPermissionDiff } from "./find-permission-diff.ts";
import { obtainToken } from "./obtain-token.ts";
import { publishArchive, readArchiveManifest } from "./publish-archive.ts";
import { readArchiveFile, readBundleFile } from "./read-archive-file.ts";
import { parseRegistry } from "./registry-request.ts";

type Options = {
  registry: string;
  bundle?: string;
  tokenFile?: string;
  trusted?: true;
  yes?: true;
  json?: true;
};

export const addPublish: AddCommand = (program, report, env, io) => {
  startCommand(program, "publish <archive>", "publish a signed archive to a registry")
    .requiredOption("--registry <url>", "https://..., or http:// on loopback")
    .option("--bundle <file>", "the signature; by default ARCHIVE.sigstore.json")
    .option("--token-file <file>", "the publisher's token; by default SONDE_PUBLISH_TOKEN")
    .option("--trusted", "with the CI job's identity, without a stored token")
    .option("--yes", "do not ask, even if the version asks for more than the one before")
    .addHelpText(
      "after",
      "\nWithout a token the CI's identity is used where there is one: GitHub's (the job needs\n" +
        "id-token: write), or SONDE_ID_TOKEN (GitLab: id_tokens, aud the registry's address).\n" +
        "A token is never an argument: arguments are visible to other users.",
    )
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const registry = parseRegistry(options.registry);
        const archive = await readArchiveFile(file);
        const bundle = await readBundleFile(file, options.bundle);
        if (bundle === null) {
          throw new SondeError("SIGNATURE_MISSING", `expected a bundle beside ${file}, got none`);
        }
        demandOwnReadme(readReadme(readArchive(archive)));
        const manifest = readArchiveManifest(archive);
        const permissions = await findPermissionDiff(registry, manifest);
        if (options.json !== true) io.out(describePermissionDiff(permissions));
        if (permissions.asksMore && options.yes !== true) await demandYes(io.ask);
        const { tokenFile, trusted = false } = options;
        const wish = { registry, pack: manifest.name, tokenFile, trusted };
        const token = await obtainToken(wish, env);
        const published = await publishArchive(registry, token, archive, bundle);
        const { name, version, digest, publishedAt, warnings } = published;
        const notes = warnings.map((warning) => `\n  warning: ${warning}`).join("");
        return {
          data: { name, version, digest, publishedAt, registry, permissions, warnings },
          text: `Published ${name} ${version} to ${registry}\n  ${digest}${notes}`,
        };
      }),
    );
};

/** Asks only at a terminal: a CI job was approved when it was set up. */
async function demandYes(ask: ((question: string) => Promise<boolean>) | undefined): Promise<void> {
  if (ask === undefined || (await ask("Publish it? [y/N] "))) return;
  throw new SondeError("BAD_REQUEST", "expected a yes, got none: nothing was published");
}
