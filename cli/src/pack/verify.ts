import { type Manifest } from "@sonde/schemas/manifest";
import { describeSigner } from "@sonde/schemas/trust";
import { describeRead, effectiveCapability } from "@sonde/sources";
import { type InspectedPack, inspectPack, type VerifiedPack, verifyPack } from "@sonde/trust/pack";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { explainRequires } from "./build.ts";
import type { Outcome } from "./outcome.ts";
import { readArchiveFile, readBundleFile } from "./read-archive-file.ts";
import { addSignerOptions, readSignerPolicy, type SignerOptions } from "./read-signer-policy.ts";

type Options = SignerOptions & { bundle?: string };

export const addVerify: AddCommand = (program, report) => {
  const verify = startCommand(
    program,
    "verify <archive>",
    "check an archive as a registry or an agent would",
  );
  addSignerOptions(verify)
    .addHelpText(
      "after",
      "\nWithout a policy it says what can be said without one: whether the archive is well formed,\n" +
        "what it reads, and who claims to have signed it.",
    )
    .option("--bundle <file>", "the signature; by default ARCHIVE.sigstore.json")
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const archive = await readArchiveFile(file);
        const bundle = (await readBundleFile(file, options.bundle))?.toString("utf8") ?? null;
        // Before the options: what is wrong with the archive is wrong under every policy.
        const inspected = inspectPack(archive, bundle);
        const policy = await readSignerPolicy(options, publisherOf(inspected.manifest));
        if (policy === null) return describeUntrusted(inspected);
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

/**
 * The unverified name in the archive is enough: the caller names the signer, and the signature must
 * be by that signer for any name.
 */
const publisherOf = ({ name }: Manifest): string => name.slice(0, name.indexOf("/"));

function explain(pack: VerifiedPack, basis: string): string {
  const { manifest, signer } = pack;
  return [
    `${manifest.name} ${manifest.version} is genuine`,
    `  signed by ${describeSigner(signer)}`,
    ...explainProof(pack),
    `  that this signer may sign for ${signer.publisher} is what ${basis} says`,
    `  the signature covers the archive ${pack.digest}`,
    `  and its content ${pack.contentDigest}`,
    ...explainManifest(manifest),
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

function explainManifest(manifest: Manifest): string[] {
  const levels = Object.keys(manifest.probes).map((probe) => effectiveCapability(manifest, probe));
  const above = levels.filter((level) => level !== "observe").length;
  return [
    above === 0
      ? `  all ${levels.length} probes only read, by what they do and not by their label`
      : `  ${above} of ${levels.length} probes do more than read`,
    "  what it asks of a host is exactly what its sources need:",
    ...explainRequires(manifest.requires).map((line) => `  ${line}`),
  ];
}

/** What can be said where the caller named nobody to trust. */
function describeUntrusted({ digest, contentDigest, claim, manifest }: InspectedPack): Outcome {
  const { name, version, requires, sources } = manifest;
  return {
    data: { name, version, digest, contentDigest, trusted: false, claim, requires },
    text: [
      `${name} ${version} is well formed. Nobody's trust was asked`,
      ...explainClaim(claim, name),
      `  the archive is ${digest}`,
      `  its content is ${contentDigest}`,
      ...explainManifest(manifest),
      "  its reads:",
      ...Object.values(sources).map((source) => `    ${describeRead(source)}`),
      "Not proven: who made it. To check that, name whom you trust: --policy FILE, --key FILE, or",
      "--issuer URL with --identity and --trusted-root.",
    ].join("\n"),
  };
}

function explainClaim(claim: InspectedPack["claim"], name: string): string[] {
  if (claim === null) return ["  UNSIGNED: there is no bundle beside it, so nobody claims it"];
  const who =
    claim.kind === "keyless" ? `${claim.identity} by ${claim.issuer}` : `RSA key ${claim.keyId}`;
  return [
    `  its bundle is for these bytes and says that ${who} signed it;`,
    `  neither that signature nor a right to sign for ${name} was checked`,
  ];
}
