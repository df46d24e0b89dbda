import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { RELEASE } from "@sonde/schemas/release";
import { describeSigner } from "@sonde/schemas/trust";
import { readBoundedFile } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import {
  buildReleaseStatement,
  RELEASE_PUBLISHER,
  type VerifiedRelease,
  verifyRelease,
} from "@sonde/trust/release";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { addSigningOptions, signAsAsked, type SigningOptions } from "../pack/choose-signer.ts";
import {
  addSignerOptions,
  readSignerPolicy,
  type SignerOptions,
} from "../pack/read-signer-policy.ts";
import {
  demandListed,
  findReleaseFiles,
  MANIFEST,
  measureRelease,
  type ReleaseFiles,
} from "./release-files.ts";

type Json = { json?: true };
type VerifyOptions = SignerOptions & Json & { manifest?: string; release?: string };

/** `sonde release sign | verify`: the packages of a release, and who vouches for them. */
export function addReleaseCommands(program: Command, print: Print): void {
  const release = program.command("release").description("sign a release, or verify one offline");
  const add = (usage: string, description: string) =>
    release.command(usage).description(description).option("--json", "print JSON");

  addSigningOptions(
    add("sign <folder>", `list the packages of this release in ${MANIFEST}, and sign it`),
  ).action(async (folder: string, options: SigningOptions & Json) => {
    const artefacts = await measureRelease(await findReleaseFiles(folder));
    const env = new Map(Object.entries(process.env));
    const statement = buildReleaseStatement(RELEASE, artefacts);
    const { bundle, by, how } = await signAsAsked(statement, options, env);
    const manifest = join(folder, MANIFEST);
    replaceFile(manifest, bundle);
    const text = [
      `Signed release ${RELEASE} ${how}`,
      ...artefacts.map(({ digest, file }) => `  ${digest} ${file}`),
      `The manifest is ${manifest}. Hand it out with the files.`,
    ];
    print(
      options.json
        ? JSON.stringify({ manifest, version: RELEASE, ...by, artefacts })
        : text.join("\n"),
    );
  });

  addSignerOptions(
    add("verify <path>", "check one file of a release, or all in a folder, without a network"),
  )
    .option("--manifest <file>", `the signed manifest; by default ${MANIFEST} beside the files`)
    .option("--release <version>", "the release that it must be; by default any")
    .action(async (path: string, options: VerifyOptions) => {
      const files = await findReleaseFiles(path);
      const verified = await verify(files, options);
      print(
        options.json
          ? JSON.stringify({ ...verified, files: files.files })
          : describe(verified, files, options),
      );
    });
}

async function verify(files: ReleaseFiles, options: VerifyOptions): Promise<VerifiedRelease> {
  const policy = await readSignerPolicy(options, RELEASE_PUBLISHER);
  if (policy === null) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected whose signature counts: --key FILE, --policy FILE, or --issuer URL with --identity and --trusted-root; got none",
    );
  }
  const manifest = options.manifest ?? join(files.folder, MANIFEST);
  const verified = verifyRelease(await readManifest(manifest), policy);
  const wanted = options.release ?? verified.version;
  if (wanted !== verified.version) {
    throw new SondeError(
      "RELEASE_MISMATCH",
      `expected release ${wanted}, got the manifest of ${verified.version}`,
    );
  }
  await demandListed(files, verified);
  return verified;
}

async function readManifest(path: string): Promise<string> {
  const bytes = await readBoundedFile(path, MAX_BUNDLE_BYTES);
  if (bytes !== null) return bytes.toString("utf8");
  throw new SondeError("NOT_FOUND", `expected the signed manifest ${path}, got none`);
}

function describe(
  { version, signer, artefacts }: VerifiedRelease,
  { files, isWhole }: ReleaseFiles,
  { policy }: VerifyOptions,
): string {
  return [
    `${isWhole ? `All ${files.length} files are` : `${files[0]} is`} genuine, of release ${version}`,
    `  signed by ${describeSigner(signer)}`,
    `  that this signer may sign a release is what ${policy ?? "the command line"} says`,
    ...artefacts
      .filter(({ file }) => files.includes(file))
      .map(({ file, digest, size }) => `  ${file}  ${size} bytes\n    ${digest}`),
    ...(isWhole ? ["Nothing is missing, and nothing else is in the folder."] : []),
    `Not proven: that ${version} is the newest release.`,
  ].join("\n");
}
