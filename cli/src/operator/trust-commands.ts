import { mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type TrustPolicy, type TrustedRoot } from "@sonde/schemas/trust";
import { checkOwner } from "@sonde/trust/admit";
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
import { readTrustedRoot } from "./read-trusted-root.ts";

type Options = SignerOptions & { data?: string; json?: boolean; trustedRoot?: string };

type RootOptions = {
  data?: string;
  json?: boolean;
  mirror: string;
  root?: string;
  from?: string;
};

/** `sonde trust ...`: which publishers this host trusts. No hub or registry can change this. */
export function addTrustCommands(program: Command, print: (text: string) => void): void {
  const trust = program.command("trust").description("decide which publishers this host trusts");
  trust
    .command("add <publisher>")
    .description("let a key or an identity sign for a publisher")
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "for keyless signatures: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
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
    .command("allow-unsigned <folder>")
    .description("for development: let this host load unsigned packs from one local folder")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action((folder: string, options: { data?: string; json?: boolean }) => {
      const { trustPolicy, policy } = openPolicy(options);
      const localPacks = openLocalPacks(folder);
      writeTrustPolicy(trustPolicy, { ...policy, allowUnsignedPacks: true, localPacks });
      print(
        options.json
          ? JSON.stringify({ localPacks, policy: trustPolicy })
          : `This host loads packs from ${localPacks} without asking who signed them (${trustPolicy}).
Put PACK-VERSION.tgz there, then: sonde hub install PUBLISHER/PACK@VERSION
Each of their tools is titled UNSIGNED. To end it: sonde trust demand-signed`,
      );
    });
  trust
    .command("demand-signed")
    .description("undo allow-unsigned: every pack needs a signature again")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action((options: { data?: string; json?: boolean }) => {
      const { trustPolicy, policy } = openPolicy(options);
      const { localPacks: _folder, ...rest } = policy;
      writeTrustPolicy(trustPolicy, { ...rest, allowUnsignedPacks: false });
      print(
        options.json
          ? JSON.stringify({ policy: trustPolicy })
          : `Every pack needs a trusted signature on this host (${trustPolicy}). An active unsigned pack stays until it is removed or its agent restarts.`,
      );
    });
  trust
    .command("update-root")
    .description("fetch Sigstore's newest trusted root by TUF, verify it and pin it")
    .option("--mirror <url>", "where from", PUBLIC_MIRROR)
    .option("--root <file>", "the first root.json of a mirror that is not Sigstore's own")
    .option("--from <file>", "pin the trusted root in this file instead, without a network")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON")
    .action(async (options: RootOptions) => {
      const { trustPolicy, policy } = openPolicy(options);
      const trustedRoot = await obtainRoot(options, trustPolicy);
      writeTrustPolicy(trustPolicy, { ...policy, trustedRoot });
      const { from, mirror } = options;
      print(
        options.json
          ? JSON.stringify({ ...(from === undefined ? { mirror } : { from }), policy: trustPolicy })
          : `Keyless signatures are verified against the root of ${from ?? mirror} (${trustPolicy}).`,
      );
    });
}

/** Creates the folder if missing. Hub and agent refuse a folder that other users can write to. */
function openLocalPacks(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    // Validated as on every later read; links are refused.
    const path = realpathSync(folder);
    checkOwner(statSync(path), [0, process.getuid?.() ?? 0], path);
    return path;
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError("BAD_REQUEST", `expected a folder, cannot make ${resolve(folder)}`, {
      cause,
    });
  }
}

async function obtainRoot(options: RootOptions, trustPolicy: string): Promise<TrustedRoot> {
  const { mirror, root, from } = options;
  if (from !== undefined) return readTrustedRoot(from);
  return await fetchTrustedRoot({
    mirror,
    cacheDir: join(dirname(trustPolicy), "tuf"),
    ...(root !== undefined && { rootFile: root }),
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
  const root = trustedRoot === undefined ? policy.trustedRoot : readTrustedRoot(trustedRoot);
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

function requirePublisherName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,38}$/.test(name)) return;
  throw new SondeError("BAD_REQUEST", `expected a publisher's name, got ${JSON.stringify(name)}`);
}
