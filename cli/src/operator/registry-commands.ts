import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { addPublisher } from "../registry-operator-client.ts";
import { readPublicKey } from "./read-public-key.ts";

type Options = { data?: string; json?: boolean; key: string; tokenFile?: string };

/** `sonde registry ...`: what the operator of the registry on this machine decides. */
export function addRegistryCommands(program: Command, print: (text: string) => void): void {
  program
    .command("registry")
    .description("decide who may publish in the registry on this machine")
    .command("publisher")
    .description("the registry's publishers")
    .command("add <name>")
    .description("let a key publish under a name; makes a new token for it")
    .requiredOption("--key <file>", "the publisher's public key in PEM")
    .option("--token-file <file>", "keep the token in a new 0600 file instead of printing it")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => {
      const { registrySocket } = layoutOf(resolveDataFolder(options.data, process.env));
      const { publicKey } = readPublicKey(options.key);
      const added = await addPublisher(registrySocket, name, publicKey);
      const { tokenFile } = options;
      if (tokenFile !== undefined) {
        writeFileSync(tokenFile, `${added.token}\n`, { flag: "wx", mode: 0o600 });
      }
      const { token, ...shown } = added;
      const kept = tokenFile === undefined ? { token } : { tokenFile };
      print(
        options.json
          ? JSON.stringify({ ...shown, ...kept })
          : `${name} may publish what ${added.keyId} signed.\n` +
              (tokenFile === undefined
                ? `Its token, shown this once: ${token}`
                : `Its token is in ${tokenFile}.`),
      );
    });
}
