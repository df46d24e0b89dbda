import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  describeSigner,
  parseSignerPolicy,
  parseTrustPolicy,
  type SignerPolicy,
  type TrustPolicy,
} from "@sonde/schemas/trust";
import { readArchive } from "@sonde/trust/archive";
import { effectiveCapability } from "@sonde/sources";
import { parseManifest, parsePublisherKey, type VerifiedPack, verifyPack } from "@sonde/trust/pack";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { explainRequires } from "./build.ts";
import { bundleFileOf } from "./sign.ts";

type Options = {
  bundle?: string;
  policy?: string;
  key?: string;
  issuer?: string;
  identity?: string;
  repositoryId?: string;
  trustedRoot?: string;
};

export const addVerify: AddCommand = (program, report) => {
  startCommand(program, "verify <archive>", "check an archive as a registry or an agent would")
    .option("--policy <file>", "trust.json: who may sign for which publisher")
    .option("--key <file>", "in place of a policy: the publisher's public key in PEM")
    .option("--issuer <url>", "in place of a policy: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--trusted-root <file>", "with --issuer: Sigstore's trusted root to verify against")
    .option("--bundle <file>", "the signature; by default ARCHIVE.sigstore.json")
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const archive = await readFile(file);
        const policy = await readPolicy(options, archive);
        const bundle = await readOptional(options.bundle ?? bundleFileOf(file));
        // Treated as if from a registry, so an unsigned archive is never called verified.
        const pack = await verifyPack({ archive, bundle, policy, origin: "registry" });
        const { digest, contentDigest, signer, manifest } = pack;
        const { name, version, requires } = manifest;
        return {
          data: { name, version, digest, contentDigest, signer, requires },
          text: explain(pack, options.policy ?? "the command line"),
        };
      }),
    );
};

/** The policy in the file, or one that trusts only the signer that the caller names. */
async function readPolicy(options: Options, archive: Uint8Array): Promise<SignerPolicy> {
  const { policy, key, issuer, identity, trustedRoot } = options;
  if ([policy, key, issuer].filter((way) => way !== undefined).length !== 1) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected one of --policy FILE, --key FILE, or --issuer URL with --identity and --trusted-root",
    );
  }
  if (policy !== undefined) {
    return parseTrustPolicy(parseJson(await readFile(policy), policy, "CONFIG_INVALID"));
  }
  const alone = (signers: Partial<TrustPolicy["publishers"][string]>, more: object = {}) => ({
    // The unverified name in the archive is enough here: the caller named the signer, and the
    // signature must be by that signer for any name.
    publishers: { [claimedPublisher(archive)]: { keys: [], identities: [], ...signers } },
    allowUnsignedPacks: false,
    ...more,
  });
  if (key !== undefined) {
    const publicKey = await readFile(key, "utf8");
    parsePublisherKey(publicKey);
    return alone({ keys: [{ algorithm: "rsa-sha256", publicKey }] });
  }
  if (issuer === undefined || identity === undefined || trustedRoot === undefined) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected --issuer, --identity and --trusted-root together",
    );
  }
  const { repositoryId } = options;
  return parseSignerPolicy(
    alone(
      { identities: [{ issuer, identity, ...(repositoryId !== undefined && { repositoryId }) }] },
      { trustedRoot: parseJson(await readFile(trustedRoot), trustedRoot, "CONFIG_INVALID") },
    ),
  );
}

function claimedPublisher(archive: Uint8Array): string {
  const file = readArchive(archive).find(({ path }) => path === "pack.json");
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", "expected a pack.json, got none");
  const { name } = parseManifest(file.bytes);
  return name.slice(0, name.indexOf("/"));
}

async function readOptional(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function explain(pack: VerifiedPack, basis: string): string {
  const { manifest, signer } = pack;
  const levels = Object.keys(manifest.probes).map((probe) => effectiveCapability(manifest, probe));
  const above = levels.filter((level) => level !== "observe").length;
  return [
    `${manifest.name} ${manifest.version} is genuine`,
    `  signed by ${describeSigner(signer)}`,
    ...explainProof(pack),
    `  that this signer may sign for ${signer.publisher} is what ${basis} says`,
    `  the signature covers the archive ${pack.digest}`,
    `  and its content ${pack.contentDigest}`,
    above === 0
      ? `  all ${levels.length} probes only read, by what they do and not by their label`
      : `  ${above} of ${levels.length} probes do more than read`,
    "  what it asks of a host is exactly what its sources need:",
    ...explainRequires(manifest.requires).map((line) => `  ${line}`),
    "Not proven: that its answers are right. The code is in index.js of the archive.",
  ].join("\n");
}

/** Describes the evidence behind a keyless signature. */
function explainProof({ signer }: VerifiedPack): string[] {
  if (signer.kind !== "keyless") return [];
  return [
    "  its certificate is in a certificate transparency log, the signature in a transparency",
    `  log, and a timestamp authority saw it at ${signer.signedAt}, when the certificate was valid;`,
    "  all three are proven against the pinned trusted root, offline",
  ];
}
