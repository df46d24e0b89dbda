import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseJson, parseTrustedRoot, SondeError, type TrustPolicy } from "@sonde/schemas";
import type { Command } from "commander";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import {
  addTrustedIdentity,
  addTrustedKey,
  readTrustPolicy,
  writeTrustPolicy,
} from "../trust-policy-file.ts";
import { fetchTrustedRoot, PUBLIC_MIRROR } from "./fetch-trusted-root.ts";
import { readIdentity, type SignerOptions } from "./read-identity.ts";
import { readPublicKey } from "./read-public-key.ts";

type Options = SignerOptions & { data?: string; json?: boolean; trustedRoot?: string };

type RootOptions = { data?: string; json?: boolean; mirror: string; root?: string };

/** `sonde trust ...`: whose packs this host verifies; no hub or registry has a say in it. */
export function addTrustCommands(program: Command, print: (text: string) => void): void {
  const trust = program.command("trust").description("decide whose packs this host accepts");
  trust
    .command("add <publisher>")
    .description("let a key or an identity sign for a publisher, from now on")
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "or, for keyless signatures, who vouches for the signer")
    .option("--identity <name>", "with --issuer: whom the certificate must name, exactly")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--trusted-root <file>", "with --issuer: pin this trusted root (JSON) of Sigstore")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action((publisher: string, options: Options) => {
      const { trustPolicy, policy } = openPolicy(options);
      requirePublisherName(publisher);
      const added = add(policy, publisher, options);
      writeTrustPolicy(trustPolicy, added.policy);
      print(
        options.json
          ? JSON.stringify({ publisher, ...added.shown, policy: trustPolicy })
          : `Packs of ${publisher} signed by ${added.who} are accepted on this host (${trustPolicy}).`,
      );
    });
  trust
    .command("update-root")
    .description("pin Sigstore's newest trusted root, fetched and verified by TUF")
    .option("--mirror <url>", "where from", PUBLIC_MIRROR)
    .option("--root <file>", "the first root.json of a mirror that is not Sigstore's own")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action(async (options: RootOptions) => {
      const { trustPolicy, policy } = openPolicy(options);
      const { mirror, root } = options;
      const trustedRoot = await fetchTrustedRoot({
        mirror,
        cacheDir: join(dirname(trustPolicy), "tuf"),
        ...(root !== undefined && { rootFile: root }),
      });
      writeTrustPolicy(trustPolicy, { ...policy, trustedRoot });
      print(
        options.json
          ? JSON.stringify({ mirror, policy: trustPolicy })
          : `Keyless signatures are verified against the root of ${mirror} (${trustPolicy}).`,
      );
    });
}

function openPolicy(options: { data?: string }): { trustPolicy: string; policy: TrustPolicy } {
  const { trustPolicy } = layoutOf(resolveDataFolder(options.data, process.env));
  const policy = readTrustPolicy(trustPolicy);
  if (policy !== null) return { trustPolicy, policy };
  throw new SondeError("NOT_FOUND", `expected a policy at ${trustPolicy}; start Sonde once`);
}

function add(
  policy: TrustPolicy,
  publisher: string,
  options: Options,
): { policy: TrustPolicy; shown: object; who: string } {
  const identity = readIdentity(options);
  const { key = "", trustedRoot } = options;
  if (identity === null) {
    if (trustedRoot !== undefined) {
      throw new SondeError(
        "BAD_REQUEST",
        "expected --trusted-root with --issuer, got it with --key",
      );
    }
    const { publicKey, keyId } = readPublicKey(key);
    return { policy: addTrustedKey(policy, publisher, publicKey), shown: { keyId }, who: keyId };
  }
  const root = trustedRoot === undefined ? policy.trustedRoot : readRoot(trustedRoot);
  if (root === undefined) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected --trusted-root FILE: without a pinned root no keyless signature is accepted",
    );
  }
  return {
    policy: { ...addTrustedIdentity(policy, publisher, identity), trustedRoot: root },
    shown: identity,
    who: `${identity.identity} of ${identity.issuer}`,
  };
}

function readRoot(file: string): NonNullable<TrustPolicy["trustedRoot"]> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("NOT_FOUND", `expected a trusted root in ${file}, cannot read it`, {
      cause,
    });
  }
  return parseTrustedRoot(parseJson(text, file, "CONFIG_INVALID"));
}

function requirePublisherName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,38}$/.test(name)) return;
  throw new SondeError("BAD_REQUEST", `expected a publisher's name, got ${JSON.stringify(name)}`);
}
