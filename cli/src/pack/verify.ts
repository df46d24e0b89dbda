import { readFile } from "node:fs/promises";
import { parseJson, parseTrustPolicy, type SignerPolicy, SondeError } from "@sonde/schemas";
import { readArchive } from "@sonde/trust/archive";
import {
  effectiveCapability,
  parseManifest,
  parsePublisherKey,
  type VerifiedPack,
  verifyPack,
} from "@sonde/trust/pack";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { explainRequires } from "./build.ts";
import { bundleFileOf } from "./sign.ts";

type Options = { bundle?: string; policy?: string; key?: string };

export const addVerify: AddCommand = (program, report) => {
  startCommand(program, "verify <archive>", "check an archive as a registry or an agent would")
    .option("--policy <file>", "trust.json: who may sign for which publisher")
    .option("--key <file>", "the publisher's public key in PEM, in place of a policy")
    .option("--bundle <file>", "the signature; by default ARCHIVE.sigstore.json")
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const archive = await readFile(file);
        const policy = await readPolicy(options, archive);
        const bundle = await readOptional(options.bundle ?? bundleFileOf(file));
        // As from a registry: what is unsigned is never called verified.
        const pack = await verifyPack({ archive, bundle, policy, origin: "registry" });
        const { digest, contentDigest, signer, manifest } = pack;
        const { name, version, requires } = manifest;
        return {
          data: { name, version, digest, contentDigest, signer, requires },
          text: explain(pack, options.policy ?? options.key ?? ""),
        };
      }),
    );
};

async function readPolicy({ policy, key }: Options, archive: Uint8Array): Promise<SignerPolicy> {
  if ((policy === undefined) === (key === undefined)) {
    throw new SondeError("BAD_REQUEST", "expected either --policy FILE or --key FILE");
  }
  if (policy !== undefined) {
    return parseTrustPolicy(parseJson(await readFile(policy), policy, "CONFIG_INVALID"));
  }
  const publicKey = await readFile(key ?? "", "utf8");
  parsePublisherKey(publicKey);
  // The claim of a name is enough here: the caller vouches for the key, and the
  // signature must be by that key whatever the name.
  const publisher = claimedPublisher(archive);
  return {
    publishers: {
      [publisher]: { keys: [{ algorithm: "rsa-sha256", publicKey }], identities: [] },
    },
    allowUnsignedPacks: false,
  };
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
  const signedBy =
    signer.kind === "rsa-sha256"
      ? `publisher ${signer.publisher}, RSA key ${signer.keyId}`
      : `publisher ${signer.publisher} (${signer.kind})`;
  const levels = Object.keys(manifest.probes).map((probe) => effectiveCapability(manifest, probe));
  const above = levels.filter((level) => level !== "observe").length;
  return [
    `${manifest.name} ${manifest.version} is genuine`,
    `  signed by ${signedBy}; that this key may sign for ${signer.publisher} is what ${basis} says`,
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
