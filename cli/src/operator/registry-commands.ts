import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { addIdentity, addPublisher } from "../registry-operator-client.ts";
import { readIdentity, type SignerOptions } from "./read-identity.ts";
import { readPublicKey } from "./read-public-key.ts";

type Options = SignerOptions & { data?: string; json?: boolean; tokenFile?: string };

/** `sonde registry ...`: what the operator of the registry on this machine decides. */
export function addRegistryCommands(program: Command, print: (text: string) => void): void {
  program
    .command("registry")
    .description("decide who may publish in the registry on this machine")
    .command("publisher")
    .description("the registry's publishers")
    .command("add <name>")
    .description("let a key or an identity publish under a name; makes a new token for it")
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "or, for keyless signatures, who vouches for the signer")
    .option("--identity <name>", "with --issuer: whom the certificate must name, exactly")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--token-file <file>", "keep the token in a new 0600 file instead of printing it")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => {
      const { registrySocket } = layoutOf(resolveDataFolder(options.data, process.env));
      const { token, ...shown } = await add(registrySocket, name, options);
      const { tokenFile } = options;
      if (tokenFile !== undefined) {
        writeFileSync(tokenFile, `${token}\n`, { flag: "wx", mode: 0o600 });
      }
      const kept = tokenFile === undefined ? { token } : { tokenFile };
      const who = "keyId" in shown ? shown.keyId : `${shown.identity} of ${shown.issuer}`;
      print(
        options.json
          ? JSON.stringify({ ...shown, ...kept })
          : `${name} may publish what ${who} signed.\n` +
              (tokenFile === undefined
                ? `Its token, shown this once: ${token}`
                : `Its token is in ${tokenFile}.`),
      );
    });
}

function add(socket: string, name: string, options: Options) {
  const identity = readIdentity(options);
  if (identity !== null) return addIdentity(socket, { publisher: name, ...identity });
  return addPublisher(socket, name, readPublicKey(options.key ?? "").publicKey);
}
