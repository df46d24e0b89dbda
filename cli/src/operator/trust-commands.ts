import { SondeError } from "@sonde/schemas";
import type { Command } from "commander";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { addTrustedKey, readTrustPolicy, writeTrustPolicy } from "../trust-policy-file.ts";
import { readPublicKey } from "./read-public-key.ts";

type Options = { data?: string; json?: boolean; key: string };

/** `sonde trust ...`: whose packs this host verifies; no hub or registry has a say in it. */
export function addTrustCommands(program: Command, print: (text: string) => void): void {
  program
    .command("trust")
    .description("decide whose packs this host accepts")
    .command("add <publisher>")
    .description("let a key sign for a publisher, from now on")
    .requiredOption("--key <file>", "the publisher's public key in PEM")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action((publisher: string, options: Options) => {
      const { trustPolicy } = layoutOf(resolveDataFolder(options.data, process.env));
      const policy = readTrustPolicy(trustPolicy);
      if (policy === null) {
        throw new SondeError("NOT_FOUND", `expected a policy at ${trustPolicy}; start Sonde once`);
      }
      requirePublisherName(publisher);
      const { publicKey, keyId } = readPublicKey(options.key);
      writeTrustPolicy(trustPolicy, addTrustedKey(policy, publisher, publicKey));
      print(
        options.json
          ? JSON.stringify({ publisher, keyId, policy: trustPolicy })
          : `Packs of ${publisher} signed by ${keyId} are accepted on this host (${trustPolicy}).`,
      );
    });
}

function requirePublisherName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,38}$/.test(name)) return;
  throw new SondeError("BAD_REQUEST", `expected a publisher's name, got ${JSON.stringify(name)}`);
}
