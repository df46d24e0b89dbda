import { mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type TrustPolicy, type TrustedRoot } from "@sonde/schemas/trust";
import { checkOwner } from "@sonde/files";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import {
  addTrustedIdentity,
  addTrustedKey,
  changeTrustPolicy,
  requireTrustPolicy,
} from "../trust-policy-file.ts";
import { fetchTrustedRoot, PUBLIC_MIRROR } from "./fetch-trusted-root.ts";
import { readIdentity, type SignerOptions } from "./read-identity.ts";
import { readPublicKey } from "./read-public-key.ts";
import { addTrustExportCommand } from "./trust-export-command.ts";
import { addTrustFollowCommand } from "./trust-follow-command.ts";
import { addTrustListCommands } from "./trust-list-commands.ts";
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
  addTrustFollowCommand(trust, print);
  addTrustListCommands(trust, print);
  addTrustExportCommand(trust, print);
  startDataCommand(trust, "add <publisher>", "let a key or an identity sign for a publisher")
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "for keyless signatures: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--trusted-root <file>", "with --issuer: pin this trusted root (JSON) of Sigstore")
    .action((publisher: string, options: Options) => {
      requirePublisherName(publisher);
      const trustPolicy = pathOf(options);
      const added = prepareAddition(publisher, options);
      changeTrustPolicy(trustPolicy, added.change);
      print(
        options.json
          ? JSON.stringify({ publisher, ...added.shown, policy: trustPolicy })
          : `Packs of ${publisher} signed by ${added.who} are accepted on this host (${trustPolicy}).`,
      );
    });
  startDataCommand(
    trust,
    "allow-unsigned <folder>",
    "for development: let this host load unsigned packs from one local folder",
  ).action((folder: string, options: { data?: string; json?: boolean }) => {
    const trustPolicy = pathOf(options);
    const localPacks = openLocalPacks(folder);
    changeTrustPolicy(trustPolicy, (policy) => ({
      ...policy,
      allowUnsignedPacks: true,
      localPacks,
    }));
    print(
      options.json
        ? JSON.stringify({ localPacks, policy: trustPolicy })
        : `This host loads packs from ${localPacks} without asking who signed them (${trustPolicy}).
Put PACK-VERSION.tgz there, then: sonde packs install PUBLISHER/PACK@VERSION
Each of their tools is titled UNSIGNED. To end it: sonde trust demand-signed`,
    );
  });
  startDataCommand(
    trust,
    "demand-signed",
    "undo allow-unsigned: every pack needs a signature again",
  ).action((options: { data?: string; json?: boolean }) => {
    const trustPolicy = pathOf(options);
    changeTrustPolicy(trustPolicy, ({ localPacks: _folder, ...rest }) => ({
      ...rest,
      allowUnsignedPacks: false,
    }));
    print(
      options.json
        ? JSON.stringify({ policy: trustPolicy })
        : `Every pack needs a trusted signature on this host (${trustPolicy}). An active unsigned pack stays until it is removed or its agent restarts.`,
    );
  });
  startDataCommand(
    trust,
    "update-root",
    "fetch Sigstore's newest trusted root by TUF, verify it and pin it",
  )
    .option("--mirror <url>", "where from", PUBLIC_MIRROR)
    .option("--root <file>", "the first root.json of a mirror that is not Sigstore's own")
    .option("--from <file>", "pin the trusted root in this file instead, without a network")
    .action(async (options: RootOptions) => {
      const trustPolicy = pathOf(options);
      requireTrustPolicy(trustPolicy);
      const trustedRoot = await obtainRoot(options, trustPolicy);
      changeTrustPolicy(trustPolicy, (policy) => ({ ...policy, trustedRoot }));
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

function pathOf(options: { data?: string }): string {
  return layoutOf(resolveDataFolder(options.data, process.env)).trustPolicy;
}

type Change = (policy: TrustPolicy) => TrustPolicy;

/** Checks the options first. The change itself is made to the policy of a later moment. */
function prepareAddition(
  publisher: string,
  options: Options,
): { change: Change; shown: object; who: string } {
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
    const change: Change = (policy) => addTrustedKey(policy, publisher, publicKey);
    return { change, shown: { keyId }, who: keyId };
  }
  const given = trustedRoot === undefined ? undefined : readTrustedRoot(trustedRoot);
  return {
    change: (policy) => {
      const root = requireRoot(given ?? policy.trustedRoot);
      return { ...addTrustedIdentity(policy, publisher, identity), trustedRoot: root };
    },
    shown: identity,
    who: `${identity.identity} of ${identity.issuer}`,
  };
}

function requireRoot(root: TrustedRoot | undefined): TrustedRoot {
  if (root !== undefined) return root;
  throw new SondeError(
    "BAD_REQUEST",
    "expected --trusted-root FILE: without a pinned root no keyless signature is accepted",
  );
}

function requirePublisherName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,38}$/.test(name)) return;
  throw new SondeError("BAD_REQUEST", `expected a publisher's name, got ${JSON.stringify(name)}`);
}
