import { writeFile } from "node:fs/promises";
import { statementOf } from "@sonde/pack-sdk/sign";
import { archiveDigest } from "@sonde/trust/archive";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { addSigningOptions, signAsAsked, type SigningOptions } from "./choose-signer.ts";
import { bundleFileOf, readArchiveFile } from "./read-archive-file.ts";

export const addSign: AddCommand = (program, report, env) => {
  const sign = startCommand(
    program,
    "sign <archive>",
    "sign an archive with the publisher's key or identity",
  );
  addSigningOptions(sign)
    .addHelpText(
      "after",
      "\nWrites the Sigstore bundle to ARCHIVE.sigstore.json. With a key it signs by the key.\n" +
        "Without one it signs keyless: in GitHub with `id-token: write`, in GitLab with an id token\n" +
        "SIGSTORE_ID_TOKEN of audience sigstore, elsewhere with --identity-token-file. Unless other\n" +
        "services are named these are Sigstore's own, whose log shows the identity to everybody.",
    )
    .action((file: string, options: SigningOptions, command) =>
      report(command, async () => {
        const archive = await readArchiveFile(file);
        const { bundle, by, how } = await signAsAsked(statementOf(archive), options, env);
        const bundleFile = bundleFileOf(file);
        await writeFile(bundleFile, bundle);
        const digest = archiveDigest(archive);
        return {
          data: { bundleFile, digest, ...by },
          text:
            `Signed ${digest}\n  ${how}\n  bundle ${bundleFile}\n` +
            `  next: sonde-pack publish ${file} --registry URL`,
        };
      }),
    );
};
